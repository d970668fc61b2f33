"""Random rotation, zoom and shift of training images, in one bilinear warp."""

import keras
import numpy as np
import numpy.typing as npt

from digits.params import Augment


def draw_transforms(
    settings: Augment, count: int, side: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw one affine transform an image.

    Args:
        settings: how far to go; each quantity is uniform between minus and plus its figure.
        count: number of images.
        side: of an image, in pixels.
        rng: decides the draws.

    Returns:
        float32 (count, 8): the rows of the matrices that take a pixel of the new image to its
        place in the old one, in the form of `keras.ops.image.affine_transform`.
    """
    angle = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation, count))
    zoom_x, zoom_y = rng.uniform(1 - settings.zoom, 1 + settings.zoom, (2, count))
    shift_x, shift_y = rng.uniform(-settings.shift, settings.shift, (2, count)) * side
    middle = (side - 1) / 2
    a, b = np.cos(angle) * zoom_x, -np.sin(angle) * zoom_y
    c, d = np.sin(angle) * zoom_x, np.cos(angle) * zoom_y
    to_x = middle - a * middle - b * middle + shift_x
    to_y = middle - c * middle - d * middle + shift_y
    none = np.zeros(count)
    return np.stack([a, b, to_x, c, d, to_y, none, none], axis=1).astype(np.float32)


def warp(
    images: keras.KerasTensor, transforms: keras.KerasTensor, black: float
) -> keras.KerasTensor:
    """Apply one transform to each image, bilinear; what comes from outside is ``black``.

    Args:
        images: float32 (n, side, side, 1).
        transforms: float32 (n, 8) from `draw_transforms`.
        black: the value of a black pixel, on the scale of ``images``.

    Returns:
        float32 (n, side, side, 1).
    """
    return keras.ops.image.affine_transform(
        images, transforms, interpolation="bilinear", fill_mode="constant", fill_value=black
    )
