"""From any picture of a digit to the 28x28 grey image that MNIST would have made of it.

LeCun, Y., Bottou, L., Bengio, Y. and Haffner, P. (1998), Gradient-based learning applied to
document recognition, section III.A: the digit is fitted into 20x20 pixels with its aspect kept,
anti-aliasing gives the grey levels, and the centre of mass goes to the middle of 28x28. What the
article leaves open is taken from the 70,000 images: they are moved by whole pixels, their centre
of mass is less than half a pixel from pixel (14, 14), and their brightest pixel is always white.

app/static/drawing.js gives the same pixels in the browser, as the arithmetic is in whole numbers.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from digits.errors import PipelineError

PEN_WIDTH = 18 / 280  # of the side of the canvas that the page offers

SIZE = 28  # of the image
BOX = 20  # the digit's longer side
CONTRAST = 32  # grey levels from paper to ink; with less a picture is blank
EDGE = 4  # the digit ends where the ink falls below this part of the strongest
NOISE = 10  # ink below this part of the strongest counts as none
# Of photographs:
REDUCED = 400  # pixels of the longer side that are looked at, at most
UNEVEN = 10  # of a hundred border pixels, so many may differ from paper; with more, light is uneven
DRAWN = 66  # of a hundred border pixels are the same to two grey levels; with fewer it is a photo
MOST_PARTS = 50  # that may belong to a digit
SHEET = 60  # of a hundred pixels where the ink is; with more it is a sheet of paper on a table
EIGHT = np.ones((3, 3), np.uint8)  # neighbours


def normalize(picture: Image.Image) -> NDArray[np.uint8]:
    """Return the digit in a picture as MNIST has its images.

    Paper is the median of the picture's outermost pixels; ink is what differs from it, darker or
    lighter, whichever goes further. What is transparent counts as white, or, where that shows
    nothing, as black. Where these pixels differ, or the ink is a whole sheet, the picture is a
    photograph: paper is then what is around the ink, and what touches the edge is no ink.

    Returns:
        (28, 28), white ink (255) on black (0).

    Raises:
        PipelineError: there is no digit in it, or more than one.
    """
    if picture.mode.startswith("I"):  # has 16 bits
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if clear := picture.has_transparency_data:
        picture = picture.convert("RGBA")
    for paper in (255, 0):
        mixed = Image.new("L", picture.size, paper)
        mixed.paste(picture.convert("L"), mask=picture.getchannel("A") if clear else None)
        if (ink := _ink(np.asarray(mixed))) is not None:
            return _place(_fit(ink))
    raise PipelineError(
        "the picture is blank: expected a digit that differs from the picture's border by at least "
        f"{CONTRAST} of 255 grey levels"
    )


def _ink(levels: NDArray[np.uint8]) -> NDArray[np.int16] | None:
    """Return how far the pixels are from paper, cropped to the digit; None if nowhere far."""
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]]).astype(np.int16)
    paper = int(np.sort(border)[len(border) // 2])
    darker, lighter = paper - int(levels.min()), int(levels.max()) - paper
    strongest = max(darker, lighter)
    if strongest < CONTRAST:
        return None
    ink = (levels.astype(np.int16) - paper) * (1 if lighter > darker else -1)
    digit = ink * EDGE >= strongest
    (box,) = ndimage.find_objects(digit.view(np.uint8))
    digit, ink, away = digit[box], ink[box], np.abs(border - paper)
    spans = all(np.multiply(2, digit.shape) >= np.add(levels.shape, 2))
    sheet = spans and 100 * np.count_nonzero(digit) > SHEET * digit.size
    uneven = sheet or 100 * np.count_nonzero(2 * away > CONTRAST) > UNEVEN * len(away)
    drawn = 100 * np.count_nonzero(away <= 2) > DRAWN * len(away)
    if uneven or not drawn:
        if (found := _photographed(levels)) is not None:
            return found
        if uneven and not drawn:
            raise PipelineError(
                "no digit stands out from its background; more light, or a picture from closer up, "
                "may help"
            )
    _digit(digit, ink)
    return np.where(ink * NOISE >= strongest, ink, 0)


def _photographed(levels: NDArray[np.uint8]) -> NDArray[np.int16] | None:
    """Return by how much of the light ink is darker than the paper around it, cropped, or None.

    The light is a closing by a window that is wider than strokes. Two passes: what touches the edge
    (a table, a frame, a line) must not decide how dark ink is.
    """
    factor = -(-max(levels.shape) // REDUCED)
    height, width = (size // factor for size in levels.shape)
    cut = levels[: height * factor, : width * factor].reshape(height, factor, width, factor)
    small = cut.sum(axis=(1, 3), dtype=np.int64) // factor**2
    window = max(small.shape) // 8 | 1
    light = ndimage.grey_closing(small, (window, window), mode="nearest")
    ink = (light - small) * 256 // np.maximum(light, 1)
    margin = max(small.shape) // 20
    strongest = ink[margin : height - margin, margin : width - margin].max(initial=0)
    inside = np.ones(ink.shape, bool)
    for share in (2, 3):
        dark = np.pad(inside & (ink * share >= strongest), 1, constant_values=True)
        parts = ndimage.label(dark, EIGHT)[0][1:-1, 1:-1]  # 1: what hangs together with the frame
        inside &= parts != 1
        strongest = ink[parts > 1].max(initial=0)
        if strongest < CONTRAST:
            return None
    digit = _digit(parts > 1, ink)
    (box,) = ndimage.find_objects(digit.view(np.uint8))
    digit = ndimage.binary_dilation(digit, EIGHT) & (ink * NOISE >= strongest)
    return np.where(digit, ink, 0)[box].astype(np.int16)


def _digit(dark: NDArray[np.bool_], ink: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of the dark pixels are the digit: the largest part and what is close to it.

    There must be no other as tall beside it, or almost as large elsewhere.
    """
    several = PipelineError("there is more than one digit; show one at a time")
    parts, count = ndimage.label(dark, EIGHT)
    if count == 1:  # as in most drawings; the rest takes two thirds as long as all else
        return dark
    mass = np.bincount(parts[dark], ink[dark])
    large = np.flatnonzero(50 * mass >= mass.max())
    if len(large) > MOST_PARTS:
        raise several
    order = large[np.argsort(-mass[large], kind="stable")]
    kept = np.zeros(mass.size, np.int32)  # their new numbers; there may be a million specks
    kept[order] = np.arange(1, len(order) + 1)
    boxes = [[(one.start, one.stop) for one in box] for box in ndimage.find_objects(kept[parts])]
    low, high = np.moveaxis(np.array(boxes), 2, 0)  # rows and columns of the parts' corners
    chosen, top, end = [order[0]], low[0], high[0]
    near = (end - top).max() // 4
    for other in range(1, len(order)):
        close = all(low[other] <= end + near) and all(high[other] >= top - near)
        heights = sorted((high - low)[[0, other], 0])
        beside = low[other, 1] >= high[0, 1] or high[other, 1] <= low[0, 1]
        if close and not (beside and 10 * heights[0] >= 7 * heights[1]):
            chosen.append(order[other])
            top, end = np.minimum(top, low[other]), np.maximum(end, high[other])
        elif close or 3 * mass[order[other]] >= mass[order[0]]:
            raise several
    return np.isin(parts, chosen)


def _fit(ink: NDArray[np.int16]) -> NDArray[np.int64]:
    """Scale the longer side to 20 pixels, each new pixel the sum of the ink on its area.

    An old pixel that two new ones share counts in each with its part. The unit is 1/400 of an old
    pixel. All numbers are whole, and floats because BLAS multiplies no others.
    """
    longer = max(ink.shape)
    old, new = np.arange(longer) * BOX, np.arange(BOX)[:, None] * longer
    shared = np.minimum(old + BOX, new + longer) - np.maximum(old, new)  # twentieths of each pixel
    parts = shared.clip(0).astype(np.float64)
    down, across = (parts[: -(-BOX * size // longer), :size] for size in ink.shape)
    return np.asarray(down @ ink @ across.T, np.int64)


def _place(digit: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Put a digit of at most 20x20 into the image by its centre of mass, its strongest white."""
    rows, columns = digit.shape
    top, left = _offset(digit.sum(axis=1)), _offset(digit.sum(axis=0))
    strongest = int(digit.max())
    image = np.zeros((SIZE, SIZE), np.uint8)
    image[top : top + rows, left : left + columns] = (510 * digit + strongest) // (2 * strongest)
    return image


def _offset(weights: NDArray[np.int64]) -> int:
    """Return the shift that brings the centre of mass to 14 +- 0.5, as far as there is room."""
    total, moment = int(weights.sum()), int(weights @ np.arange(weights.size))
    shift = -((2 * moment - (SIZE - 1) * total) // (2 * total))
    return min(max(shift, 0), SIZE - weights.size)
