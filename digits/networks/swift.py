"""The network for a short training: what is large has few channels, and is soon made small.

A quarter of the work of lenet5_v2, most of it on images of 12x12 and less.
"""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    L2 goes to every convolution; BatchNorm, by ``batch_norm``, into all but the first, where it
    would cost as much as the convolution itself.
    """
    images = conv(recipe, images, 32, 5, regularized=True)
    images = keras.layers.MaxPooling2D()(images)
    for _ in range(2):
        images = conv(recipe, images, 64, 3, regularized=True, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    images = dropout(recipe.dropout, images)
    return head(recipe, images, 128)
