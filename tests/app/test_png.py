import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from fastapi import HTTPException
from PIL import Image, PngImagePlugin

from app.png import SIGNATURE, Png
from bench.server_hostile import assembled, chunk, data, header
from tests.app.serving import picture, png

NOISE = np.random.default_rng(4).integers(0, 256, (33, 47, 4), dtype=np.uint8)
DEEP = NOISE[..., :2].copy().view(np.uint16)[..., 0]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]
SEVEN = png(picture())


def pixels(rows: bytes) -> bytes:
    """Return the chunk of the rows, each after its filter."""
    return chunk(b"IDAT", zlib.compress(rows))


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
    found = Png(assembled(header(47, 33), pixels(rows))).decode()
    np.testing.assert_array_equal(np.asarray(found), levels)


def test_deep_pixels_are_kept() -> None:
    found = Png(png(Image.fromarray(DEEP))).decode()
    np.testing.assert_array_equal(np.asarray(found), DEEP)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_packed_pixels_are_spread_over_all_levels(bits: int) -> None:
    rows = bytes([0, 0, 0, 0x100 - 2 ** (8 - bits)])
    found = decoded(assembled(header(1, 2, bits), pixels(rows)))
    assert list(np.asarray(found.convert("L")).ravel()) == [0, 255]


def test_interlaced_pixels_are_put_in_order() -> None:
    image = NOISE[..., 0]
    starts = [(0, 0), (0, 4), (4, 0), (0, 2), (2, 0), (0, 1), (1, 0)]
    steps = [(8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1)]
    passes = [image[y::dy, x::dx] for (y, x), (dy, dx) in zip(starts, steps, strict=True)]
    rows = b"".join(b"\0" + row.tobytes() for one in passes for row in one)
    found = Png(assembled(header(47, 33, interlace=1), pixels(rows))).decode()
    np.testing.assert_array_equal(np.asarray(found), image)


@pytest.mark.parametrize(
    ("colour", "row", "key"),
    [
        (0, bytes([7, 9]), struct.pack(">H", 7)),
        (2, bytes([7, 7, 7, 9, 9, 9]), struct.pack(">3H", 7, 7, 7)),
    ],
)
def test_a_key_colour_is_transparent(colour: int, row: bytes, key: bytes) -> None:
    head = header(2, 1, colour=colour)
    found = decoded(assembled(head, chunk(b"tRNS", key), pixels(b"\0" + row)))
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
    ("body", "reason"),
    [
        (b"", "The body is empty"),
        (b"\x89PNG", "its first bytes are not a PNG's"),
        (SIGNATURE, "cut short"),
        (SEVEN[:-1], "cut short"),
        (SEVEN[:-12], "cut short"),
        (SEVEN.replace(b"IDAT", b"IDAt"), "a checksum is wrong"),
        (SEVEN[:-30] + b"x" + SEVEN[-29:], "a checksum is wrong"),
        (assembled(header(2, 2), data(5)), "pixels cannot be decoded"),
        (assembled(header(2, 2, 9, 9), data(6)), "pixels cannot be decoded"),
        (assembled(header(0, 2), data(0)), "it has no pixels"),
        (assembled(chunk(b"IHDR", header(2, 2)[8:16]), data(6)), "expected one header"),
        (assembled(header(2, 2), header(2, 2), data(6)), "expected one header"),
        (
            assembled(chunk(b"tEXt", struct.pack(">II", 1, 1)), header(2500, 2500), data(6252500)),
            "expected one header",
        ),
        (assembled(header(2, 2), *[chunk(b"tEXt", b"")] * 1000), "more than 1000 chunks"),
    ],
)
def test_a_damaged_png_is_refused(body: bytes, reason: str) -> None:
    assert refusal(body).status_code == 422
    assert reason in refusal(body).detail


@pytest.mark.parametrize(("width", "height"), [(2001, 1), (1, 2001), (2**31, 2**31)])
def test_a_large_picture_is_refused_by_its_header(width: int, height: int) -> None:
    found = refusal(assembled(header(width, height), data(0)))
    assert found.status_code == 413
    assert found.detail == (f"The picture has {width} x {height} pixels; the limit is 2000 x 2000.")
