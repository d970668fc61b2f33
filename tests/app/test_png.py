import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from fastapi import HTTPException
from PIL import Image, PngImagePlugin

from app.png import SIGNATURE, Png
from tests.app.serving import picture, png

NOISE = np.random.default_rng(4).integers(0, 256, (33, 47, 4), dtype=np.uint8)
DEEP = NOISE[..., :2].copy().view(np.uint16)[..., 0]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def assembled(width: int, height: int, kind: bytes, rows: bytes, *others: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">II", width, height) + kind)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"".join([SIGNATURE, header, *others, pixels, chunk(b"IEND", b"")])


def decoded(data: bytes) -> Image.Image:
    image = Png(data).decode()
    assert isinstance(image, Image.Image)
    return image


def refusal(data: bytes) -> HTTPException:
    with pytest.raises(HTTPException) as caught:
        Png(data).decode()
    return caught.value


@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_pillows(mode: str) -> None:
    data = png(Image.fromarray(NOISE).convert(mode))
    found = decoded(data)
    expected = Image.open(BytesIO(data)).convert("RGBA" if mode == "P" else mode)
    assert found.mode == expected.mode
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("more", [b"", b"what follows the pixels"])
def test_pixels_without_filters_are_grey_levels(more: bytes) -> None:
    levels = NOISE[..., 0]
    rows = np.pad(levels, [(0, 0), (1, 0)]).tobytes() + more
    found = Png(assembled(47, 33, bytes([8, 0, 0, 0, 0]), rows)).decode()
    np.testing.assert_array_equal(np.asarray(found), levels)


def test_deep_pixels_are_kept() -> None:
    found = Png(png(Image.fromarray(DEEP))).decode()
    np.testing.assert_array_equal(np.asarray(found), DEEP)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_packed_pixels_are_spread_over_all_levels(bits: int) -> None:
    kind = bytes([bits, 0, 0, 0, 0])
    most = 2**bits - 1
    found = decoded(assembled(1, 2, kind, bytes([0, 0, 0, most << 8 - bits])))
    assert list(np.asarray(found.convert("L")).ravel()) == [0, 255]


def test_interlaced_pixels_are_put_in_order() -> None:
    image = NOISE[..., 0]
    starts = [(0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0)]
    steps = [(8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]
    passes = [image[y::dy, x::dx] for (y, x), (dy, dx) in zip(starts, steps, strict=True)]
    rows = b"".join(b"\0" + row.tobytes() for one in passes for row in one)
    found = Png(assembled(47, 33, bytes([8, 0, 0, 0, 1]), rows)).decode()
    np.testing.assert_array_equal(np.asarray(found), image)


@pytest.mark.parametrize(
    ("kind", "row", "key"),
    [
        (bytes([8, 0, 0, 0, 0]), bytes([7, 9]), struct.pack(">H", 7)),
        (bytes([8, 2, 0, 0, 0]), bytes([7, 7, 7, 9, 9, 9]), struct.pack(">3H", 7, 7, 7)),
    ],
)
def test_a_key_colour_is_transparent(kind: bytes, row: bytes, key: bytes) -> None:
    found = decoded(assembled(2, 1, kind, b"\0" + row, chunk(b"tRNS", key)))
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(7, 7, 7, 0), (9, 9, 9, 255)]


def test_what_is_no_part_of_the_picture_is_left_out() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("a", "b" * 10**6, zip=True)
    data = png(picture(), pnginfo=texts, icc_profile=bytes(10**6), exif=b"x", dpi=(9, 9))
    assert {b"zTXt", b"iCCP", b"eXIf", b"pHYs"} <= {data[at : at + 4] for at in range(len(data))}
    found = decoded(data)
    assert found.tobytes() == picture().tobytes()
    assert found.info == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "The body is empty"),
        (b"\x89PNG", "does not begin like one"),
        (SIGNATURE, "cut short"),
        (png(picture())[:-1], "cut short"),
        (png(picture())[:-12], "cut short"),
        (png(picture()).replace(b"IDAT", b"IDAt"), "pixels cannot be decoded"),
        (png(picture())[:-30] + b"x" + png(picture())[-29:], "a checksum is wrong"),
        (assembled(2, 2, bytes([8, 0, 0, 0, 0]), bytes(5)), "pixels cannot be decoded"),
        (assembled(2, 2, bytes([9, 9, 0, 0, 0]), bytes(6)), "pixels cannot be decoded"),
        (assembled(0, 2, bytes([8, 0, 0, 0, 0]), b""), "it has no pixels"),
        (assembled(2, 2, b"", bytes(6)), "its one header"),
        (
            assembled(2, 2, bytes([8, 0, 0, 0, 0]), bytes(6), chunk(b"IHDR", bytes(13))),
            "its one header",
        ),
        (
            assembled(2, 2, bytes([8, 0, 0, 0, 0]), bytes(6), *[chunk(b"tEXt", b"")] * 1000),
            "more than 1000 chunks",
        ),
    ],
)
def test_a_damaged_png_is_refused(data: bytes, reason: str) -> None:
    assert refusal(data).status_code == 422
    assert reason in refusal(data).detail


@pytest.mark.parametrize(("width", "height"), [(2001, 1), (1, 2001), (2**31, 2**31)])
def test_a_large_picture_is_refused_by_its_header(width: int, height: int) -> None:
    found = refusal(assembled(width, height, bytes([8, 0, 0, 0, 0]), b""))
    assert found.status_code == 413
    assert found.detail.startswith(f"The picture has {width} x {height} pixels; 2000 x 2000 is")
