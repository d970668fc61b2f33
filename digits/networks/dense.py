"""One hidden layer of 512 ReLU units (source S1)."""

import keras

from digits.config import Architecture
from digits.networks import classify, hidden, refuse


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    L2 and BatchNorm go to the hidden layer; ``dropout`` is refused, as there are no convolutions.
    """
    refuse(recipe, "dropout", recipe.dropout, 0, "it has no convolutions; use dropout_head")
    features = keras.layers.Flatten()(images)
    features = hidden(recipe, features, 512, regularized=True)
    return classify(recipe, features)
