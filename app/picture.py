"""Decoding untrusted bytes with Pillow, within limits of size, time and memory."""

import struct
import warnings
from io import BytesIO

from fastapi import HTTPException
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

FORMATS = ["PNG", "JPEG", "WEBP"]
MEDIA_TYPES = [f"image/{name.lower()}" for name in FORMATS]
LARGEST_SIZE = 2000  # pixels, of width and of height
MOST_SCANS = 50  # of a progressive JPEG; encoders write about ten, a megabyte may have 70,000

Image.MAX_IMAGE_PIXELS = LARGEST_SIZE**2
PngImagePlugin.MAX_TEXT_CHUNK = 2**20  # bytes that a compressed text or colour profile inflates to
PngImagePlugin.MAX_TEXT_MEMORY = 2**22  # and all texts together
warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged metadata, which a client could
# send without end; of pictures beyond the limit, which are refused anyway

# What Pillow raises on damaged bytes, as far as its source and bench/server_hostile.py show. Other
# exceptions are defects; so is MemoryError, as the limits leave a picture no way to cause it.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error)


def decode(data: bytes) -> Image.Image:
    """Return a PNG, JPEG or WebP decoded, the right way up; of an animation, the first frame."""
    try:
        image: Image.Image = Image.open(BytesIO(data), formats=FORMATS)
        if max(image.size) > LARGEST_SIZE:
            raise Image.DecompressionBombError
        # Within a scan, the byte FF is never followed by DA.
        if image.format in {"JPEG", "MPO"} and data.count(b"\xff\xda") > MOST_SCANS:
            raise ValueError
        image.load()
        image.getexif()  # is kept, so that exif_transpose need not write the rest of it anew
        for key in ("exif", "Raw profile type exif"):
            image.info.pop(key, None)
        ImageOps.exif_transpose(image, in_place=True)
        return image.convert("RGBA") if image.mode == "P" else image
    except UnidentifiedImageError:
        raise HTTPException(422, "This is no PNG, JPEG or WebP picture.") from None
    except Image.DecompressionBombError:
        limit = f"{LARGEST_SIZE:,} x {LARGEST_SIZE:,} pixels"
        raise HTTPException(413, f"The picture is too large; the limit is {limit}.") from None
    except DAMAGE:
        raise HTTPException(422, "The picture is damaged and cannot be decoded.") from None
