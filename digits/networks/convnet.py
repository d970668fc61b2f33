"""One convolution of 28 filters, one hidden layer of 128 units (source S2).

The article leaves both widths open; these are the usual tutorial values.
"""

import keras

from digits.config import Architecture
from digits.networks import classify, conv, dropout, hidden


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10); L2 on the convolution."""
    images = conv(recipe, images, 28, 3, regularized=True, normalized=recipe.batch_norm)
    images = keras.layers.MaxPooling2D()(images)
    images = dropout(recipe.dropout, images)
    features = hidden(recipe, keras.layers.Flatten()(images), 128)
    return classify(recipe, features)
