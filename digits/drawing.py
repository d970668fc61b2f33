"""From any picture of a digit to the 28x28 grey image that MNIST would have made of it.

LeCun, Y., Bottou, L., Bengio, Y. and Haffner, P. (1998), Gradient-based learning applied to
document recognition, section III.A: the digit is fitted into 20x20 pixels with its aspect kept,
anti-aliasing gives the grey levels, and the centre of mass goes to the middle of 28x28. What the
article leaves open is taken from the 70,000 images: they are moved by whole pixels, their centre
of mass is less than half a pixel from pixel (14, 14), and their brightest pixel is always white.

app/static/drawing.js does the same in the browser. The arithmetic is all in whole numbers, so that
both give the same pixels.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.errors import PipelineError

PEN_WIDTH = 18 / 280  # of the side of the canvas that the page offers

SIDE = 28  # of the image
BOX = 20  # the digit's longer side
CONTRAST = 32  # grey levels from paper to ink; with less a picture is blank
EDGE = 4  # the digit ends where the ink falls below this part of the strongest
NOISE = 10  # ink below this part of the strongest counts as none


def normalise(image: Image.Image) -> NDArray[np.uint8]:
    """Return the digit in a picture as MNIST has its images.

    Paper is the median of the picture's outermost pixels; ink is what differs from it, darker or
    lighter, whichever goes further. What is transparent counts as white, or, where that shows
    nothing, as black.

    Args:
        image: of any size; in mode ``I`` of 16 bits, in mode ``F`` from 0 to 255.

    Returns:
        (28, 28), white ink (255) on black (0).

    Raises:
        PipelineError: there is no ink in it.
    """
    for levels in _on_paper(image):
        if (ink := _ink(levels)) is not None:
            return _place(_fit(ink))
    raise PipelineError(
        "the picture is blank: expected a digit that differs from the picture's border by at least "
        f"{CONTRAST} of 255 grey levels"
    )


def _on_paper(image: Image.Image) -> Iterator[NDArray[np.uint8]]:
    """Yield the grey levels, (height, width), on white and on black if that may differ."""
    if image.mode.startswith("I"):
        yield (np.asarray(image) >> 8).astype(np.uint8)
        return
    if not image.has_transparency_data:
        yield np.asarray(image.convert("L"))
        return
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    grey, alpha = image.convert("L"), image.getchannel("A")
    if np.asarray(alpha).min() == 255:
        yield np.asarray(grey)
        return
    for paper in (255, 0):
        mixed = Image.new("L", image.size, paper)
        mixed.paste(grey, mask=alpha)
        yield np.asarray(mixed)


def _ink(levels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return how far the pixels are from paper, cropped to the digit; None if nowhere far."""
    border = np.concatenate((levels[0], levels[-1], levels[:, 0], levels[:, -1]))
    paper = np.partition(border, border.size // 2)[border.size // 2]
    darker, lighter = int(paper - levels.min()), int(levels.max() - paper)
    strongest = max(darker, lighter)
    if strongest < CONTRAST:
        return None
    edge = -(-strongest // EDGE)
    digit = levels <= paper - edge if darker >= lighter else levels >= paper + edge
    rows = np.flatnonzero(digit.any(axis=1))
    digit, levels = (array[rows[0] : rows[-1] + 1] for array in (digit, levels))
    columns = np.flatnonzero(digit.any(axis=0))
    levels = levels[:, columns[0] : columns[-1] + 1]
    if darker >= lighter:
        ink = paper - np.minimum(levels, paper)
    else:
        ink = np.maximum(levels, paper) - paper
    cleaned: NDArray[np.uint8] = ink * (ink >= -(-strongest // NOISE))
    return cleaned


def _fit(ink: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Scale the longer side to 20 pixels, each new pixel the sum of the ink on its area.

    An old pixel that two new ones share counts in each with its part. The unit is 1/400 of an old
    pixel.
    """
    longer = max(ink.shape)
    return _sums(_sums(ink, longer).T, longer).T


def _sums(values: NDArray[np.integer], longer: int) -> NDArray[np.int64]:
    """Return the sums over bands of rows, each ``longer`` twentieths of a row high."""
    rows, columns = values.shape
    running = np.zeros((rows + 1, columns), np.int32 if values.dtype == np.uint8 else np.int64)
    np.cumsum(values, axis=0, dtype=running.dtype, out=running[1:])
    bands = -(-BOX * rows // longer)
    whole, part = np.divmod(np.minimum(np.arange(bands + 1) * longer, BOX * rows), BOX)
    after = np.minimum(whole + 1, rows)
    edges = running[whole] * (BOX - part)[:, None] + running[after] * part[:, None]
    sums: NDArray[np.int64] = np.diff(edges, axis=0)
    return sums


def _place(digit: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Put a digit of at most 20x20 into the image by its centre of mass, its strongest white."""
    rows, columns = digit.shape
    top, left = _offset(digit.sum(axis=1)), _offset(digit.sum(axis=0))
    strongest = digit.max()
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + rows, left : left + columns] = (510 * digit + strongest) // (2 * strongest)
    return image


def _offset(weights: NDArray[np.int64]) -> int:
    """Return the shift that brings the centre of mass to 14 +- 0.5, as far as there is room."""
    total, moment = int(weights.sum()), int(weights @ np.arange(weights.size))
    shift = -((2 * moment - (SIDE - 1) * total) // (2 * total))
    return min(max(shift, 0), SIDE - weights.size)
