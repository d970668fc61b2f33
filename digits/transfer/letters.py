"""Letters to learn from before digits: drawn in the fonts that come with matplotlib."""

import string
from functools import cache, lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tqdm import tqdm

SIDE = 28
SCALE = 4  # drawn so many times as large, for smooth edges
CLASSES = 26  # A and a are the same letter; by size and shape alone, O and o, S and s are anyway

# The families with the whole alphabet at its usual places; the others hold symbols.
FAMILIES = (
    "DejaVuSans",
    "DejaVuSerif",
    "STIXGeneral",
    "cmb10",
    "cmmi10",
    "cmr10",
    "cmss10",
    "cmtt10",
)


def draw(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw ``count`` letters, A to Z and a to z in turn, each varied at random.

    What varies: font, size (16 to 24 pixels to the em), weight of the strokes, slant (20 degrees
    either way), rotation (15), shift (2 pixels), blur (up to 1 pixel). Letter number i follows from
    ``(seed, i)`` and the fonts alone. Images are (count, 28, 28), white (255) on black (0), labels
    (count,), 0 for A to 25 for Z.
    """
    images = np.empty((count, SIDE, SIDE), np.uint8)
    for index in tqdm(range(count), desc="letters"):
        images[index] = _letter(index, np.random.default_rng((seed, index)))
    return images, (np.arange(count) % CLASSES).astype(np.uint8)


def contact_sheet(images: NDArray[np.uint8]) -> Image.Image:
    """Return letters, (n, 28, 28), side by side in rows of 26, twice as large."""
    rows = len(images) // CLASSES
    sheet = images[: rows * CLASSES].reshape(rows, CLASSES, SIDE, SIDE).swapaxes(1, 2)
    picture = Image.fromarray(sheet.reshape(rows * SIDE, CLASSES * SIDE))
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)


def _letter(index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw letter number ``index``, (28, 28)."""
    text = string.ascii_letters[index % len(string.ascii_letters)]
    fonts = _fonts()
    font = _font(fonts[rng.integers(len(fonts))], SCALE * int(rng.integers(16, 25)))
    side = SCALE * SIDE
    canvas = Image.new("L", (side, side))
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    corner = (side - left - right) / 2, (side - top - bottom) / 2
    pen.text(corner, text, font=font, fill=255, stroke_width=int(rng.integers(0, 6)))
    canvas = canvas.transform(
        canvas.size, Image.Transform.AFFINE, _pose(rng, side), Image.Resampling.BILINEAR
    )
    canvas = canvas.filter(ImageFilter.GaussianBlur(SCALE * rng.uniform(0, 1)))
    return np.asarray(canvas.reduce(SCALE))


def _pose(rng: np.random.Generator, side: int) -> tuple[float, ...]:
    """Draw slant, rotation and shift: two rows that take a new pixel to its place in the old."""
    slant = np.tan(np.deg2rad(rng.uniform(-20, 20)))
    angle = np.deg2rad(rng.uniform(-15, 15))
    shift = SCALE * rng.uniform(-2, 2, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, slant], [0, 1]])
    offset = side / 2 - matrix @ np.full(2, side / 2) + shift
    return tuple(np.column_stack([matrix, offset]).ravel())


@lru_cache
def _fonts() -> list[Path]:
    """Return the fonts, in an order that is the same everywhere."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    found = (path for path in folder.glob("*.ttf") if path.stem.startswith(FAMILIES))
    return sorted(path for path in found if not path.stem.endswith("Display"))


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
