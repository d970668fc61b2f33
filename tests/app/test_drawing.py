import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from app import drawing
from digits.data import idx
from digits.errors import PipelineError

# Its centre of mass is well inside a pixel: a small change does not move the image by a whole one.
SEVEN = [(70, 60), (200, 60), (120, 240)]


def paper() -> Image.Image:
    """Return black strokes on white, in mode L."""
    picture = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(picture).line(SEVEN, fill=0, width=18, joint="curve")
    return picture


def coloured(ink: tuple[int, ...], ground: tuple[int, ...]) -> Image.Image:
    mode = "RGBA" if len(ink) == 4 else "RGB"
    picture = Image.new(mode, (280, 280), ground)
    picture.paste(ink, mask=ImageOps.invert(paper()))
    return picture


def area_average(ink: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Scale a square to 20x20 the slow and plain way: repeat every pixel, then average blocks."""
    size = len(ink)
    fine = ink.repeat(20, axis=0).repeat(20, axis=1).astype(np.float64)
    averages: NDArray[np.float64] = fine.reshape(20, size, 20, size).mean(axis=(1, 3))
    return averages


def centre_of_mass(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    weights = image.astype(np.float64)
    return np.array([np.average(axis, weights=weights) for axis in np.indices(image.shape)])


@pytest.fixture
def seven() -> NDArray[np.uint8]:
    return drawing.normalise(paper())


def test_the_digit_fills_20_pixels_and_its_mass_is_in_the_middle(seven: NDArray[np.uint8]) -> None:
    assert seven.shape == (28, 28)
    assert seven.dtype == np.uint8
    assert seven.max() == 255
    rows, columns = np.flatnonzero(seven.any(axis=1)), np.flatnonzero(seven.any(axis=0))
    assert rows[-1] - rows[0] + 1 == 20
    assert columns[-1] - columns[0] + 1 == 15  # 130 of 180 pixels, and the width of the pen
    assert np.abs(centre_of_mass(seven) - 14).max() <= 0.5


@pytest.mark.parametrize("size", [7, 20, 33, 100, 261])
def test_pixels_are_averages_over_their_areas(size: int) -> None:
    ink = np.random.default_rng(size).integers(120, 256, (size, size), dtype=np.uint8)
    ink[size // 2, size // 2] = 255
    image = drawing.normalise(Image.fromarray(np.pad(ink, size)))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    averages = area_average(ink)
    np.testing.assert_array_equal(
        image[np.ix_(rows, columns)], np.floor(255 * averages / averages.max() + 0.5)
    )


def test_neither_place_nor_size_matters(seven: NDArray[np.uint8]) -> None:
    cut = paper().crop((40, 40, 240, 260))
    elsewhere = Image.new("L", (700, 400), 255)
    elsewhere.paste(cut, (480, 11))
    np.testing.assert_array_equal(drawing.normalise(elsewhere), seven)
    larger = paper().resize((840, 840), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(drawing.normalise(larger), seven)


def test_a_line_keeps_its_aspect_and_is_no_box() -> None:
    picture = Image.new("L", (300, 300), 255)
    picture.paste(0, (200, 20, 210, 120))
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 13:15] = 255
    np.testing.assert_array_equal(drawing.normalise(picture), expected)


def test_a_digit_stays_whole_however_far_off_its_mass_is() -> None:
    picture = Image.new("L", (300, 300), 255)
    picture.paste(0, (10, 10, 50, 210))
    picture.paste(0, (50, 10, 210, 12))
    image = drawing.normalise(picture)
    assert np.flatnonzero(image.any(axis=0)).tolist() == list(range(8, 28))


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(ImageOps.invert(paper()), id="light on dark"),
        pytest.param(paper().convert("1"), id="1"),
        pytest.param(paper().convert("RGB"), id="RGB"),
        pytest.param(paper().convert("RGB").quantize(2), id="palette"),
        pytest.param(paper().convert("CMYK"), id="CMYK"),
        pytest.param(paper().convert("YCbCr"), id="YCbCr"),
        pytest.param(paper().convert("F"), id="F"),
        pytest.param(paper().convert("LA"), id="LA, opaque"),
        pytest.param(paper().convert("RGBA"), id="RGBA, opaque"),
        pytest.param(coloured((0, 0, 0, 255), (0, 0, 0, 0)), id="black on nothing"),
        pytest.param(coloured((255, 255, 255, 255), (0, 0, 0, 0)), id="white on nothing"),
        pytest.param(coloured((255, 230, 0, 255), (9, 9, 9, 0)), id="yellow on nothing"),
        pytest.param(coloured((0, 0, 200, 90), (0, 0, 0, 0)), id="half transparent ink"),
        pytest.param(coloured((0, 0, 0, 0), (40, 90, 200, 255)), id="a hole in blue"),
        pytest.param(coloured((200, 0, 0), (250, 240, 200)), id="red on cream"),
        pytest.param(coloured((250, 250, 90), (10, 60, 30)), id="chalk on a blackboard"),
        pytest.param(coloured((150, 150, 150), (190, 190, 190)), id="faint"),
    ],
)
def test_neither_mode_nor_colour_matters(picture: Image.Image, seven: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(drawing.normalise(picture), seven)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_all_levels_of_16_bits_count(kind: type[np.integer]) -> None:
    levels = np.asarray(paper())
    deep = drawing.normalise(Image.fromarray(levels.astype(kind) * 257))
    np.testing.assert_array_equal(deep, drawing.normalise(Image.fromarray(levels)))


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_colour_declared_transparent_is_no_ink(mode: str, seven: NDArray[np.uint8]) -> None:
    picture = ImageOps.invert(paper()).convert(mode)  # white on black, and now black is nothing
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0)
    reread = Image.open(file)
    assert reread.has_transparency_data
    np.testing.assert_array_equal(drawing.normalise(reread), seven)


def photograph() -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 8, (280, 280))
    levels = np.asarray(paper()) * 0.6 + 60 + noise + np.linspace(-10, 10, 280)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def jpeg(quality: int) -> Image.Image:
    file = io.BytesIO()
    paper().save(file, "JPEG", quality=quality)
    return Image.open(file)


@pytest.mark.parametrize(
    ("picture", "most"),
    [(jpeg(20), 3), (jpeg(50), 3), (jpeg(90), 3), (photograph(), 3), (paper().reduce(3), 4)],
)
def test_what_a_camera_changes_hardly_shows(
    picture: Image.Image, most: float, seven: NDArray[np.uint8]
) -> None:
    assert np.abs(drawing.normalise(picture).astype(int) - seven).mean() < most


def test_chalk_is_ink_though_the_board_has_darker_spots(seven: NDArray[np.uint8]) -> None:
    board = coloured((250, 250, 250), (70, 70, 70))
    board.paste((40, 40, 40), (100, 100, 110, 110))
    np.testing.assert_array_equal(drawing.normalise(board), seven)


@pytest.mark.parametrize(("level", "darkest"), [(255 - 25, 0), (255 - 26, 26)])
def test_haze_below_a_tenth_of_the_ink_is_no_ink(level: int, darkest: int) -> None:
    ring = Image.new("L", (200, 200), 255)
    ring.paste(0, (40, 40, 140, 140))
    ring.paste(level, (50, 50, 130, 130))
    assert drawing.normalise(ring)[13:15, 13:15].tolist() == [[darkest, darkest]] * 2


def test_a_digit_needs_no_paper_around_it(seven: NDArray[np.uint8]) -> None:
    cut = ImageOps.invert(ImageOps.invert(paper()).crop(ImageOps.invert(paper()).getbbox()))
    np.testing.assert_array_equal(drawing.normalise(cut), seven)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(Image.new("L", (280, 280), 255), id="white"),
        pytest.param(Image.new("RGB", (280, 280), (30, 60, 90)), id="one colour"),
        pytest.param(Image.new("RGBA", (280, 280)), id="transparent"),
        pytest.param(Image.new("LA", (280, 280), (255, 0)), id="transparent white"),
        pytest.param(Image.new("RGBA", (280, 280), (0, 0, 0, 9)), id="hardly there"),
        pytest.param(Image.new("L", (1, 1), 0), id="1x1"),
        pytest.param(Image.new("I;16", (28, 28), 0xFFFF), id="16 bits"),
        pytest.param(coloured((199, 199, 199), (230, 230, 230)), id="31 grey levels"),
    ],
)
def test_a_blank_picture_is_refused(picture: Image.Image) -> None:
    with pytest.raises(PipelineError, match="the picture is blank: expected a digit"):
        drawing.normalise(picture)


def test_two_digits_are_refused(seven: NDArray[np.uint8]) -> None:
    both = Image.new("L", (560, 280), 255)
    for left in (0, 250):
        both.paste(paper(), (left, 0))
    with pytest.raises(PipelineError, match="there is more than one digit"):
        drawing.normalise(both)
    bar = paper()  # of the same digit, apart from it
    ImageDraw.Draw(bar).line([(75, 150), (110, 150)], fill=0, width=18)
    assert np.abs(drawing.normalise(bar).astype(int) - seven).mean() < 15


@pytest.fixture(scope="module")
def mnist_images(mnist: Path) -> NDArray[np.uint8]:
    return idx.read(mnist / "t10k-images-idx3-ubyte.gz")


@pytest.mark.mnist
def test_mnist_is_as_the_docstring_says(mnist_images: NDArray[np.uint8]) -> None:
    assert mnist_images.max(axis=(1, 2)).min() >= 254
    offsets = [np.abs(centre_of_mass(image) - 14).max() for image in mnist_images]
    assert max(offsets) < 0.51
    heights, widths = (mnist_images.any(axis=axis).sum(axis=1) for axis in (2, 1))
    assert (np.maximum(heights, widths) == 20).mean() > 0.99


@pytest.mark.mnist
@pytest.mark.parametrize(("factor", "ink", "ground"), [(1, 255, 0), (3, 0, 255), (10, 40, 250)])
def test_an_mnist_image_comes_back_from_anywhere_at_any_size(
    mnist_images: NDArray[np.uint8], factor: int, ink: int, ground: int
) -> None:
    random = np.random.default_rng(factor)
    differences = []
    for image in mnist_images[:1000]:
        size = 28 * factor
        picture = np.full((2 * size, 3 * size), ground, np.uint8)
        top, left = random.integers(0, size, 2)
        levels = ground + image / 255 * (ink - ground)
        large = levels.round().astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)
        picture[top : top + size, left : left + size] = large
        normalised = drawing.normalise(Image.fromarray(picture))
        differences.append(np.abs(normalised.astype(int) - image).mean())
    assert np.mean(differences) < 1
    assert np.mean(np.array(differences) > 4) < 0.05  # these moved by a pixel
