"""The network for the highest accuracy: six convolutions for three fifths of lenet5_v2's work.

Convolutions of 3x3 behind the first, with twice the filters whenever pooling leaves a quarter of
the places.
"""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head, l2, widened


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    L2 goes to every convolution; BatchNorm, by ``batch_norm``, to all but the first, where it would
    cost as much as the convolution itself. The second convolution's comes after the pooling, with a
    quarter of the places.
    """
    images = conv(recipe, images, 32, 5, regularized=True)
    images = keras.layers.Conv2D(
        widened(recipe, 32), 3, use_bias=not recipe.batch_norm, kernel_regularizer=l2(recipe)
    )(images)
    images = keras.layers.MaxPooling2D()(images)
    if recipe.batch_norm:
        images = keras.layers.BatchNormalization()(images)
    images = dropout(recipe.dropout, keras.layers.ReLU()(images))
    images = _pair(recipe, images, 64)
    images = dropout(recipe.dropout, keras.layers.MaxPooling2D()(images))
    images = dropout(recipe.dropout, _pair(recipe, images, 128))
    return head(recipe, images, 128)


def _pair(recipe: Architecture, images: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Two convolutions of 3x3, the first on images padded with 0."""
    images = keras.layers.ZeroPadding2D(1)(images)
    for _ in range(2):
        images = conv(recipe, images, filters, 3, regularized=True, normalized=recipe.batch_norm)
    return images
