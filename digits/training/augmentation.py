"""Random changes of training images: pose by one bilinear warp, weight and strokes of the pen."""

import keras
import numpy as np
import numpy.typing as npt

from digits.config import Augment

FAINTEST = 0.3  # of white; what thinning leaves darker is no line any more


def draw_transforms(
    settings: Augment, count: int, side: int, rng: np.random.Generator, pen: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw one affine transform an image.

    Args:
        settings: how far to go; each quantity is uniform between minus and plus its figure.
        count: number of images.
        side: of an image, in pixels.
        rng: decides the draws of rotation, zoom and shift.
        pen: decides those of slant.

    Returns:
        float32 (count, 8): the rows of the matrices that take a pixel of the new image to its
        place in the old one, in the form of `keras.ops.image.affine_transform`.
    """
    angle = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation, count))
    zoom_x, zoom_y = rng.uniform(1 - settings.zoom, 1 + settings.zoom, (2, count))
    shift_x, shift_y = rng.uniform(-settings.shift, settings.shift, (2, count)) * side
    slant = np.tan(np.deg2rad(pen.uniform(-settings.slant, settings.slant, count)))
    middle = (side - 1) / 2
    a, b = np.cos(angle) * zoom_x, (np.cos(angle) * slant - np.sin(angle)) * zoom_y
    c, d = np.sin(angle) * zoom_x, (np.sin(angle) * slant + np.cos(angle)) * zoom_y
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


def weigh(images: keras.KerasTensor, weights: keras.KerasTensor) -> keras.KerasTensor:
    """Make the lines of each image thinner or thicker.

    Args:
        images: float32 (n, side, side, 1).
        weights: float32 (n,), from -1 (each line loses a pixel on either side) over 0 (it stays)
            to 1 (it gains one).

    Returns:
        float32 (n, side, side, 1).
    """
    thick = keras.ops.max_pool(images, 3, strides=1, padding="same")
    thin = -keras.ops.max_pool(-images, 3, strides=1, padding="same")
    share = weights[:, None, None, None]
    other = keras.ops.where(share > 0, thick, thin)
    return images + keras.ops.abs(share) * (other - images)


def whiten(images: keras.KerasTensor, black: float, white: float) -> keras.KerasTensor:
    """Scale each image so that its brightest pixel is white, as MNIST's normalisation does.

    Args:
        images: float32 (n, side, side, 1).
        black: the value of a black pixel, on the scale of ``images``.
        white: that of a white one.

    Returns:
        float32 (n, side, side, 1).
    """
    ink = (images - black) / (white - black)
    brightest = keras.ops.max(ink, axis=(1, 2, 3), keepdims=True)
    return black + (white - black) * ink / keras.ops.maximum(brightest, FAINTEST)
