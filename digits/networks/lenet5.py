"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) as source S3 has it: ReLU and max pooling."""

import keras

from digits.config import Architecture
from digits.networks import classify, conv, dropout, hidden


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1), padded with 0 to 32x32, to class probabilities (n, 10)."""
    images = keras.layers.ZeroPadding2D(2)(images)
    for filters in (6, 16):
        images = conv(recipe, images, filters, 5, regularized=True, normalized=recipe.batch_norm)
        images = keras.layers.MaxPooling2D()(images)
        images = dropout(recipe.dropout, images)
    features = keras.layers.Flatten()(images)
    for units in (120, 84):
        features = hidden(recipe, features, units)
    return classify(recipe, features)
