"""Two convolutions, dropout after them and before the last layer (source S4)."""

import keras

from digits.config import Architecture
from digits.networks import conv, dropout, head


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10); L2 on both convolutions."""
    images = conv(recipe, images, 32, 3, regularized=True, normalized=recipe.batch_norm)
    images = conv(recipe, images, 64, 3, regularized=True, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    return head(recipe, dropout(recipe.dropout, images), 128)
