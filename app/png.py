"""From untrusted bytes to a picture: limits first, then as little decoding as possible.

W3C, Portable Network Graphics (PNG) Specification, https://www.w3.org/TR/png-3/.
"""

import ctypes
import struct
import zlib
from io import BytesIO

import numpy as np
from fastapi import HTTPException
from numpy.typing import NDArray
from PIL import Image

LARGEST_SIZE = 2000  # pixels, of width and of height
M_MMAP_THRESHOLD = -3  # of malloc.h
MOST_CHUNKS = 1000  # a megabyte in the chunks of 8 KiB that encoders write has 128
SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
PLAIN = {  # by bit depth, colour type, compression, filter and interlace
    bytes([8, 0, 0, 0, 0]): "L",
    bytes([8, 2, 0, 0, 0]): "RGB",
    bytes([8, 4, 0, 0, 0]): "LA",
    bytes([8, 6, 0, 0, 0]): "RGBA",
}

# Pillow keeps so much of freed pictures: it takes long to get memory back from the system.
Image.core.set_block_size(2**20)  # type: ignore[attr-defined]
Image.core.set_blocks_max(4)  # type: ignore[attr-defined]
# So does glibc, once it has seen a large one freed, unless it is told from which size on not to.
if hasattr(libc := ctypes.CDLL(None), "mallopt"):
    libc.mallopt(M_MMAP_THRESHOLD, 2**20)


class Png:
    """A PNG whose pixels are not decoded yet; of an animation, the still picture.

    The first chunk must be the header. Only the chunks that make up the picture are decoded: the
    others (colour profiles, texts, further frames) might inflate to gigabytes.

    Raises:
        HTTPException: 413 for too large a picture, 422 for anything but a whole PNG.
    """

    def __init__(self, data: bytes):
        if not data:
            raise HTTPException(422, "The body is empty; expected a PNG picture.")
        if not data.startswith(SIGNATURE):
            raise HTTPException(422, "This is not a PNG picture: its first bytes are not a PNG's.")
        chunks = _split(data)
        header, kinds = chunks[0][1], [kind for kind, _ in chunks]
        if kinds[0] != b"IHDR" or kinds.count(b"IHDR") != 1 or len(header) != 25:
            raise _damaged("expected one header, at its beginning")
        self._chunks = [chunk for chunk in chunks if chunk[0] in NEEDED]
        self.width, self.height = struct.unpack_from(">II", header, 8)
        if min(self.width, self.height) == 0:
            raise _damaged("it has no pixels")
        if max(self.width, self.height) > LARGEST_SIZE:
            raise HTTPException(
                413,
                f"The picture has {self.width} x {self.height} pixels; "
                f"the limit is {LARGEST_SIZE} x {LARGEST_SIZE}.",
            )
        self._plain = PLAIN.get(header[16:21]) if b"tRNS" not in kinds else None

    def decode(self) -> Image.Image | NDArray[np.uint8]:
        """Return the picture, without palette or key colour; maybe the levels of a grey one.

        Raises:
            HTTPException: 422, it is damaged.
        """
        try:
            if self._plain:  # then straight to what Pillow's PNG plugin, too, would come to
                pixels = b"".join([chunk[8:-4] for kind, chunk in self._chunks if kind == b"IDAT"])
                if self._plain == "L" and (levels := self._unfiltered(pixels)) is not None:
                    return levels
                size = (self.width, self.height)
                return Image.frombytes(self._plain, size, pixels, "zip", self._plain)
            content = b"".join([SIGNATURE, *(chunk for _, chunk in self._chunks)])
            image = Image.open(BytesIO(content), formats=["PNG"])
            image.load()
            if image.mode == "P" or ("transparency" in image.info and image.mode != "I;16"):
                return image.convert("RGBA")
            return image
        except Exception:  # whatever Pillow raises on damaged bytes
            raise _damaged("its pixels cannot be decoded") from None

    def _unfiltered(self, pixels: bytes) -> NDArray[np.uint8] | None:
        """Return the levels, (height, width), if no row is filtered: as the page draws them.

        NumPy has them in a third of the time that Pillow takes for small pictures.
        """
        size = self.height * (1 + self.width)
        content = zlib.decompressobj().decompress(pixels, size)
        if len(content) < size:
            return None
        rows = np.frombuffer(content, np.uint8).reshape(self.height, -1)
        return None if rows[:, 0].any() else rows[:, 1:]


def _split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return type and bytes of each chunk up to the picture's end; its checksum is right."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data):
            raise _damaged("it is cut short")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise _damaged("it is cut short")
        chunk = data[at:end]
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise _damaged("a checksum is wrong")
        chunks.append((kind, chunk))
        if kind == b"IEND":
            return chunks
        at = end
    raise HTTPException(422, f"The PNG has more than {MOST_CHUNKS} chunks.")


def _damaged(reason: str) -> HTTPException:
    return HTTPException(422, f"The PNG is damaged: {reason}.")
