"""A small network with a backbone of two layer groups, and a head."""

import keras

from digits import networks
from digits.config import Architecture

LAYER_GROUPS = ("stem", "middle", "head")


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    for group, filters in (("stem", 4), ("middle", 8)):
        conv = keras.layers.Conv2D(filters, 5, strides=3, use_bias=False, name=f"{group}_conv")
        norm = keras.layers.BatchNormalization(momentum=0.9, name=f"{group}_norm")
        images = keras.layers.ReLU(name=f"{group}_relu")(norm(conv(images)))
    features = keras.layers.Flatten(name="head_flat")(images)
    return networks.classify(recipe, networks.dropout(recipe.dropout, features))
