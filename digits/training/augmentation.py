"""Random changes of training images: a pose, another stroke width, strokes of other writers.

What is asked for is drawn in NumPy (`draw`), travels with the batch, and is carried out by Keras's
operations (`apply`). What nobody asked for is neither drawn nor carried.
"""

from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits.config import Augment
from digits.training import pen_strokes

FAINTEST = 0.3  # of white; a peak that erosion leaves darker is no stroke any more

Drawn = dict[str, npt.NDArray[np.float32]]


def signature(settings: Augment) -> dict[str, tf.TensorSpec]:
    """Return what travels with a batch, by name, beside images and labels."""
    none, rng = np.empty((0, 1, 1), np.float32), np.random.default_rng(0)  # show the shapes
    drawn = draw(settings, none, np.empty(0, np.uint8), 0, rng, rng)
    return {name: tf.TensorSpec((None, *one.shape[1:]), tf.float32) for name, one in drawn.items()}


def draw(
    settings: Augment,
    images: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    middle: float,
    rng: np.random.Generator,
    pen: np.random.Generator,
) -> Drawn:
    """Draw what happens to images, float32 (n, size, size).

    Each quantity is uniform between minus and plus its value. By the names of `signature`, float32:
    ``transforms`` (n, 8), of `draw_transforms`; ``widths`` (n,), of `change_width`; ``strokes``, of
    `pen_strokes.draw`. ``labels`` are (n,), 0 to 9, ``middle`` is the value of a pixel half way
    from black to white. ``rng`` decides rotation, zoom and shift, ``pen`` shear, stroke width and
    pen strokes, in this order.
    """
    count, drawn = len(labels), Drawn()
    if settings.rotation or settings.zoom or settings.shift or settings.shear:
        drawn["transforms"] = draw_transforms(settings, count, images.shape[1], rng, pen)
    if settings.erode or settings.dilate:
        widths = pen.uniform(-settings.erode, settings.dilate, count)
        drawn["widths"] = widths.astype(np.float32)
    if settings.pen_strokes:
        drawn["strokes"] = pen_strokes.draw(images > middle, labels, settings.pen_strokes, pen)
    return drawn


def layers(settings: Augment, black: float, white: float) -> list[keras.Layer]:
    """Return Keras's layers that change a batch after `apply`; `TrainingBatches` seeds them.

    ``black`` and ``white`` are values of pixels, on the scale of the images.
    """
    found: list[keras.Layer] = []
    if settings.random_erasing:
        share = 2 * (settings.random_erasing,)  # from and to: Keras would begin at 0
        found += [keras.layers.RandomErasing(share, fill_value=black, value_range=(black, white))]
    if settings.mixup:
        found += [keras.layers.MixUp(settings.mixup)]
    return found


def apply(
    images: keras.KerasTensor, drawn: Mapping[str, keras.KerasTensor], black: float, white: float
) -> keras.KerasTensor:
    """Carry out what `draw` drew, and pass over other names; images are float32 (n, size, size, 1).

    ``black`` and ``white`` are values of pixels, on the scale of ``images``.
    """
    if "strokes" in drawn:
        extra = pen_strokes.render(drawn["strokes"], images.shape[1])
        images = keras.ops.maximum(images, black + (white - black) * extra)
    if "widths" in drawn:
        images = change_width(images, drawn["widths"])
    if "transforms" in drawn:
        images = keras.ops.image.affine_transform(images, drawn["transforms"], fill_value=black)
    if "widths" in drawn:
        images = normalize_peak(images, black, white)
    return images


def draw_transforms(
    settings: Augment, count: int, size: int, rng: np.random.Generator, pen: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw transforms (count, 8), as `keras.ops.image.affine_transform` takes them, of images."""
    angle = np.deg2rad(rng.uniform(-settings.rotation, settings.rotation, count))
    zoom_x, zoom_y = rng.uniform(1 - settings.zoom, 1 + settings.zoom, (2, count))
    shift_x, shift_y = rng.uniform(-settings.shift, settings.shift, (2, count)) * size
    shear = np.tan(np.deg2rad(pen.uniform(-settings.shear, settings.shear, count)))
    middle = (size - 1) / 2
    a, b = np.cos(angle) * zoom_x, (np.cos(angle) * shear - np.sin(angle)) * zoom_y
    c, d = np.sin(angle) * zoom_x, (np.sin(angle) * shear + np.cos(angle)) * zoom_y
    to_x = middle - a * middle - b * middle + shift_x
    to_y = middle - c * middle - d * middle + shift_y
    none = np.zeros(count)
    return np.stack([a, b, to_x, c, d, to_y, none, none], axis=1).astype(np.float32)


def change_width(images: keras.KerasTensor, widths: keras.KerasTensor) -> keras.KerasTensor:
    """Erode (width below 0; -1: a pixel on either side) or dilate the strokes of each image."""
    dilated = keras.ops.max_pool(images, 3, strides=1, padding="same")
    eroded = -keras.ops.max_pool(-images, 3, strides=1, padding="same")
    share = widths[:, None, None, None]
    other = keras.ops.where(share > 0, dilated, eroded)
    return images + keras.ops.abs(share) * (other - images)


def normalize_peak(images: keras.KerasTensor, black: float, white: float) -> keras.KerasTensor:
    """Make each image's brightest pixel white, as MNIST's normalization does."""
    ink = (images - black) / (white - black)
    brightest = keras.ops.max(ink, axis=(1, 2, 3), keepdims=True)
    return black + (white - black) * ink / keras.ops.maximum(brightest, FAINTEST)
