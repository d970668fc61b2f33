"""A wider LeNet-5: two groups of two convolutions, three hidden layers (source S3)."""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1), padded with 0 to 32x32, to class probabilities (n, 10).

    L2 goes to the first convolution of each group, BatchNorm to the second and to every hidden
    layer, as in the source.
    """
    images = keras.layers.ZeroPadding2D(2)(images)
    for filters, size in ((32, 5), (64, 3)):
        images = conv(recipe, images, filters, size, regularized=True)
        images = conv(recipe, images, filters, size, normalized=recipe.batch_norm)
        images = keras.layers.MaxPooling2D()(images)
        images = dropout(recipe.dropout, images)
    return head(recipe, images, 256, 128, 84)
