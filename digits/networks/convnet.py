"""One convolution of 28 filters, one hidden layer of 128 units (source S2).

The article leaves both widths open; these are the usual tutorial values.
"""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10); L2 on the convolution."""
    images = conv(recipe, images, 28, 3, regularized=True, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    return head(recipe, dropout(recipe.dropout, images), 128)
