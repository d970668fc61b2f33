"""Digits as other people write them: zeros with a slash, ones with flag and base, barred sevens.

MNIST was written by Americans and has next to none of the first two, which a network then takes
for eights and sevens. Each kind is one straight stroke more through or at a digit.
"""

from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

HALF_WIDTH = 0.7, 1.6  # pixels; of the strokes in MNIST and of thinner ones


class PenStroke(NamedTuple):
    """A stroke through a point of the digits with a label; each range is drawn from uniformly."""

    label: int
    height: float  # of the point, from the digit's top (0) to its bottom (1); in the line's middle
    angle: tuple[float, float]  # degrees from rightwards to upwards
    back: tuple[float, float]  # pixels from the point against that direction
    forth: tuple[float, float]  # pixels in that direction


PEN_STROKES = (
    PenStroke(0, 0.5, (-20, 100), (4, 13), (4, 13)),  # slash or bar
    PenStroke(1, 0.0, (-5, 60), (3, 11), (0, 0)),  # flag
    PenStroke(1, 1.0, (-12, 12), (2, 8), (2, 8)),  # base
    PenStroke(7, 0.55, (-15, 25), (2, 6), (2, 6)),  # bar
)


def draw(
    ink: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.uint8],
    probability: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Decide which digits get which strokes, each kind with a ``probability``.

    ``ink``, bool (n, size, size), is where the digits are; ``labels`` are uint8 (n,), 0 to 9. Of
    each stroke there are x and y of both ends, and half the width, in pixels, float32 (n, strokes,
    5); 0 for none.
    """
    strokes = np.zeros((len(labels), len(PEN_STROKES), 5), np.float32)
    for index, kind in enumerate(PEN_STROKES):
        drawn = rng.random(len(labels)) < probability
        chosen = np.flatnonzero(drawn & (labels == kind.label))
        count = len(chosen)
        x, y = _points(ink[chosen], kind.height)
        angle = np.deg2rad(rng.uniform(*kind.angle, count))
        right, down = np.cos(angle), -np.sin(angle)
        back, forth = rng.uniform(*kind.back, count), rng.uniform(*kind.forth, count)
        ends = x - back * right, y - back * down, x + forth * right, y + forth * down
        strokes[chosen, index] = np.stack([*ends, rng.uniform(*HALF_WIDTH, count)], axis=1)
    return strokes


def _points(ink: npt.NDArray[np.bool_], height: float) -> tuple[npt.NDArray[np.floating], ...]:
    """Return x and y of the middle of the ink in the row at ``height``."""
    count, size, _ = ink.shape
    rows = ink.any(axis=2)
    top, bottom = np.argmax(rows, axis=1), size - 1 - np.argmax(np.flip(rows, axis=1), axis=1)
    y = np.rint(top + height * (bottom - top)).astype(np.int64)
    line = ink[np.arange(count), y]
    found = line.sum(axis=1)
    middle = line @ np.arange(size) / np.maximum(found, 1)
    return np.where(found, middle, (size - 1) / 2), y.astype(np.float64)


def render(strokes: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Draw ``strokes`` of `draw` with round ends and smooth edges, ``size`` pixels high and wide.

    The result is float32 (n, size, size, 1), from 0 (no ink) to 1, the strokes of each image
    together.
    """
    ops = keras.ops
    places = np.arange(size, dtype=np.float32)
    x0, y0, x1, y1, half = (strokes[..., part, None, None] for part in range(5))
    along_x, along_y = x1 - x0, y1 - y0
    to_x, to_y = places - x0, places[:, None] - y0
    length = ops.maximum(along_x**2 + along_y**2, 1e-6)
    nearest = ops.clip((to_x * along_x + to_y * along_y) / length, 0, 1)
    distance = ops.sqrt((to_x - nearest * along_x) ** 2 + (to_y - nearest * along_y) ** 2)
    covered = ops.where(half > 0, ops.clip(half + 0.5 - distance, 0, 1), 0)
    return ops.max(covered, axis=1)[..., None]
