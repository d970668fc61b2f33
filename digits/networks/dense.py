"""One hidden layer of 512 ReLU units (source S1)."""

import keras

from digits.config import Architecture
from digits.networks import classify, hidden, refuse


def build(settings: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    L2 and BatchNorm go to the hidden layer; ``dropout`` is refused, as there are no convolutions.
    """
    refuse(settings, "dropout", settings.dropout, 0, "it has no convolutions; use dropout_head")
    features = keras.layers.Flatten()(images)
    features = hidden(settings, features, 512, regularized=True)
    return classify(settings, features)
