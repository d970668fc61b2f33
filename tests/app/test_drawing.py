import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from app import drawing
from app.picture import decode
from bench import photos, strokes
from bench.server_hostile import encoded, speckled
from digits.data import idx
from digits.errors import PipelineError
from tests.app.visitor import DIGITS
from tests.workspace import ROOT

Colour = tuple[int, ...]
WHITE, BLACK, NOTHING = (255, 255, 255, 255), (0, 0, 0, 255), (0, 0, 0, 0)
PAPER = Image.new("L", (280, 280), 255)
ImageDraw.Draw(PAPER).line([(70, 60), (200, 60), (120, 240)], fill=0, width=18, joint="curve")
EXPECTED = drawing.normalize(PAPER)


def coloured(ink: Colour, ground: Colour, shape: Image.Image = PAPER) -> Image.Image:
    picture = Image.new("RGBA" if len(ink) == 4 else "RGB", shape.size, ground)
    picture.paste(ink, mask=ImageOps.invert(shape))
    return picture


def centre_of_mass(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    weights = image.astype(np.float64)
    return np.array([np.average(axis, weights=weights) for axis in np.indices(image.shape)])


def test_the_digit_fills_20_pixels_and_its_mass_is_in_the_middle() -> None:
    assert (EXPECTED.shape, EXPECTED.dtype.name, EXPECTED.max()) == ((28, 28), "uint8", 255)
    box = Image.fromarray(EXPECTED).getbbox()
    assert box
    assert np.subtract(box[2:], box[:2]).tolist() == [15, 20]  # 130 of 180 pixels, and the pen
    assert np.abs(centre_of_mass(EXPECTED) - 14).max() <= 0.5


@pytest.mark.parametrize("size", [7, 20, 33, 100, 261])
def test_pixels_are_averages_over_their_areas(size: int) -> None:
    ink = np.random.default_rng(size).integers(120, 256, (size, size), dtype=np.uint8)
    ink[size // 2, size // 2] = 255
    image = drawing.normalize(Image.fromarray(np.pad(ink, size)))
    fine = ink.repeat(20, axis=0).repeat(20, axis=1)  # the slow and plain way
    averages = fine.reshape(20, size, 20, size).mean(axis=(1, 3))
    box = np.ix_(np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0)))
    np.testing.assert_array_equal(image[box], np.floor(255 * averages / averages.max() + 0.5))


def test_lines_haze_and_a_mass_far_off() -> None:
    picture = Image.new("L", (300, 300), 255)
    picture.paste(0, (200, 20, 210, 120))
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 13:15] = 255  # keeps its aspect
    np.testing.assert_array_equal(drawing.normalize(picture), expected)
    picture = Image.new("L", (300, 300), 255)
    picture.paste(0, (10, 10, 50, 210))
    picture.paste(0, (50, 10, 210, 12))
    image = drawing.normalize(picture)  # stays whole
    assert np.flatnonzero(image.any(axis=0)).tolist() == list(range(8, 28))
    for level, darkest in ((255 - 25, 0), (255 - 26, 26)):  # below a tenth of the ink it is none
        ring = Image.new("L", (200, 200), 255)
        ring.paste(0, (40, 40, 140, 140))
        ring.paste(level, (50, 50, 130, 130))
        assert drawing.normalize(ring)[13:15, 13:15].tolist() == [[darkest, darkest]] * 2


SEVENS = {
    "light on dark": ImageOps.invert(PAPER),
    **{mode: PAPER.convert(mode) for mode in ("1", "CMYK", "RGB", "LA", "RGBA")},
    "palette": PAPER.convert("RGB").quantize(2),
    "16 bits": Image.fromarray(np.asarray(PAPER).astype(np.uint16) * 257),
    "black on nothing": coloured(BLACK, NOTHING),
    "white on nothing": coloured(WHITE, NOTHING),
    "half transparent ink": coloured((0, 0, 200, 90), NOTHING),
    "a hole in blue": coloured(NOTHING, (40, 90, 200, 255)),
    "red on cream": coloured((200, 0, 0), (250, 240, 200)),
    "chalk on a blackboard": coloured((250, 250, 90), (10, 60, 30)),
    # Black, which is the ground here, is declared to be nothing.
    "transparency in L": decode(encoded(ImageOps.invert(PAPER), transparency=0)),
    "and RGB": decode(encoded(coloured((255,) * 3, (0,) * 3), transparency=(0, 0, 0))),
    "larger": PAPER.resize((840, 840), Image.Resampling.NEAREST),
    "no paper around it": PAPER.crop(ImageOps.invert(PAPER).getbbox()),
}


@pytest.mark.parametrize("kind", SEVENS)
def test_neither_mode_nor_colour_place_or_size_matters(kind: str) -> None:
    np.testing.assert_array_equal(drawing.normalize(SEVENS[kind]), EXPECTED)


def test_a_blank_picture_is_refused() -> None:
    blank = Image.new("L", (280, 280), 255), Image.new("I;16", (28, 28), 0xFFFF)
    faint = coloured((199, 199, 199), (230, 230, 230))  # 31 grey levels
    for picture in (*blank, Image.new("RGBA", (280, 280)), faint):
        with pytest.raises(PipelineError, match="the picture is blank: expected a digit"):
            drawing.normalize(picture)


def test_two_digits_are_refused() -> None:
    both = Image.new("L", (560, 280), 255)
    both.paste(PAPER, (0, 0))
    both.paste(PAPER, (250, 0))
    with pytest.raises(PipelineError, match="there is more than one digit"):
        drawing.normalize(both)
    bar = PAPER.copy()  # of the same digit, apart from it
    ImageDraw.Draw(bar).line([(75, 150), (110, 150)], fill=0, width=18)
    assert np.abs(drawing.normalize(bar).astype(int) - EXPECTED).mean() < 15


def test_a_picture_of_many_parts_takes_no_time() -> None:
    began = time.process_time()
    with pytest.raises(PipelineError, match="there is more than one digit"):
        drawing.normalize(speckled(1200, 6))  # 300,000 dots, none much smaller
    drawing.normalize(speckled(2000, 100))  # a million, too small to matter
    assert time.process_time() - began < 2


@pytest.mark.mnist
def test_mnist_is_as_the_docstring_says_and_comes_back_from_anywhere(mnist: Path) -> None:
    images = idx.read(mnist / "t10k-images-idx3-ubyte.gz")
    assert images.max(axis=(1, 2)).min() >= 254
    assert max(np.abs(centre_of_mass(image) - 14).max() for image in images) < 0.51
    heights, widths = (images.any(axis=axis).sum(axis=1) for axis in (2, 1))
    assert (np.maximum(heights, widths) == 20).mean() > 0.99
    for factor, ink, ground in ((1, 255, 0), (3, 0, 255), (10, 40, 250)):
        random = np.random.default_rng(factor)
        differences = []
        for image in images[:1000]:
            size = 28 * factor
            picture = Image.new("L", (3 * size, 2 * size), ground)
            levels = (ground + image / 255 * (ink - ground)).round().astype(np.uint8)
            large = Image.fromarray(levels).resize((size, size), Image.Resampling.NEAREST)
            picture.paste(large, random.integers(0, size, 2).tolist())
            differences.append(np.abs(drawing.normalize(picture).astype(int) - image).mean())
        assert np.mean(differences) < 1
        assert np.mean(np.array(differences) > 4) < 0.05  # these moved by a pixel


# ---- the same in JavaScript


def drawn() -> Iterator[Image.Image]:
    """Yield digits of any size, place, pen, colours and transparency, half of them with noise."""
    random = np.random.default_rng(0)
    for number in range(200):
        size, left, top, pen = random.uniform((0.05, 0.3, 0.3, 0.01), (0.95, 0.7, 0.7, 0.2))
        shape = strokes.draw(DIGITS[number % 10], strokes.Placement(size, (left, top), pen))
        shape = shape.resize(random.integers(1, 400, 2).tolist(), Image.Resampling.BILINEAR)
        ink, ground = random.integers(0, 256, (2, 4))
        if number % 3:  # most are opaque, or on nothing
            ink[3], ground[3] = 255, 255 * (number % 3 - 1)
        picture = coloured(tuple(ink.tolist()), tuple(ground.tolist()), shape)
        noise = random.integers(-9, 10, (*picture.size[::-1], 4)) * (number % 2)
        yield Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def odd() -> Iterator[Image.Image]:
    """Yield pictures at the edges of what there can be."""
    random = np.random.default_rng(1)
    for shape in ((1, 1), (9, 1), (1, 9), (2, 2), (20, 19), (3, 1000), (4, 2000), (1200, 1500)):
        yield Image.new("RGBA", shape[::-1], WHITE)
        for channels in (3, 4):
            yield Image.fromarray(random.integers(0, 256, (*shape, channels), dtype=np.uint8))
    for ink in ((0, 0, 0), (255, 255, 255), (200, 60, 100)):  # every level of alpha
        levels = np.empty((256, 256, 4), np.uint8)
        levels[..., :3], levels[..., 3] = ink, np.arange(256)
        yield Image.fromarray(levels)
    lopsided = Image.new("RGBA", (90, 90), (100, 100, 100, 255))
    lopsided.paste(BLACK, (10, 10, 30, 80))
    yield from (lopsided, *map(lopsided.transpose, Image.Transpose))
    lopsided.paste((200, 200, 200, 255), (30, 10, 80, 11))  # as far from the ground as black
    yield from (lopsided, *map(lopsided.transpose, Image.Transpose))
    yield from (speckled(60, 6), speckled(300, 30))
    for contrast in range(28, 36):  # around the limit of what is blank
        yield coloured((100 + contrast,) * 3, (100,) * 3)


def photographed() -> Iterator[Image.Image]:
    """Yield photographs of every kind, of a digit that is drawn here."""
    for number, kind in enumerate(photos.KINDS):
        digits = np.stack([EXPECTED] * (2 if kind == "two" else 1))
        yield decode(photos.photograph(digits, kind, np.random.default_rng(number)))


def test_of_a_photo_nothing_but_the_digit_is_ink() -> None:
    for kind, photo in zip(photos.KINDS[:-1], photographed(), strict=False):
        difference = np.abs(drawing.normalize(photo).astype(int) - EXPECTED).mean()
        assert difference < 10, kind  # up to 5 was measured; 21 or more with shadows or a table


@pytest.mark.parametrize("pictures", [drawn, odd, photographed])
def test_javascript_gives_the_same_pixels(pictures: Callable[[], Iterator[Image.Image]]) -> None:
    cases, blank = list(pictures()), 0
    for picture, javascript in zip(cases, strokes.normalize_in_javascript(cases), strict=True):
        try:
            expected = drawing.normalize(picture)
        except PipelineError:
            expected = np.zeros((28, 28), np.uint8)
            blank += 1
        np.testing.assert_array_equal(javascript, expected)
    assert 0 < blank < len(cases) - 10
    script = (ROOT / "app/static/drawing.js").read_text()
    assert f"PEN_WIDTH = {drawing.PEN_WIDTH * 280:.0f} / 280;" in script
