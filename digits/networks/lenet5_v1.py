"""LeNet-5 with a second convolution before the first pooling, L2 and dropout (source S3)."""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1), padded with 0 to 32x32, to class probabilities (n, 10).

    L2 goes to the convolution of 16 filters alone, as in the source.
    """
    images = keras.layers.ZeroPadding2D(2)(images)
    images = conv(recipe, images, 6, 5, normalized=recipe.batch_norm)
    images = conv(recipe, images, 6, 5, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    images = dropout(recipe.dropout, images)
    images = conv(recipe, images, 16, 5, regularized=True, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    images = dropout(recipe.dropout, images)
    return head(recipe, images, 120, 84)
