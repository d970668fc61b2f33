"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) as source S3 has it: ReLU and max pooling."""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1), padded with 0 to 32x32, to class probabilities (n, 10)."""
    images = keras.layers.ZeroPadding2D(2)(images)
    for filters in (6, 16):
        images = conv(recipe, images, filters, 5, regularized=True, normalized=recipe.batch_norm)
        images = keras.layers.MaxPooling2D()(images)
        images = dropout(recipe.dropout, images)
    return head(recipe, images, 120, 84)
