"""ResNet-34 (He, Zhang, Ren and Sun 2016) with the head of source S0, for 28x28 grey images."""

import keras

from digits.config import Architecture
from digits.networks import classify, dropout, l2, refuse, widened

GROUPS = ((64, 3), (128, 4), (256, 6), (512, 3))  # filters, blocks
LAYER_GROUPS = ("stem", "group1", "group2", "group3", "group4", "head")
MOMENTUM = 0.9  # of BatchNorm's averages, as in the source; Keras's 0.99 lags in short trainings
EPSILON = 1e-5  # of BatchNorm, as in the source


def build(recipe: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    ``dropout`` comes before the hidden layer of the head, ``dropout_head`` after it; L2 goes to
    every convolution. ``batch_norm: false`` is refused: the blocks are defined with it. Names and
    padding of the backbone are such that PyTorch's weights fit.
    """
    refuse(recipe, "batch_norm", recipe.batch_norm, True, "its blocks are built on BatchNorm")
    images = _conv(recipe, images, "stem", 64, 7, 2)
    images = keras.layers.ReLU(name="stem_relu")(images)
    images = _pad(images, "stem_pool", 1)  # with 0, and no activation is below that
    images = keras.layers.MaxPooling2D(3, strides=2, name="stem_pool")(images)
    for group, (filters, blocks) in enumerate(GROUPS, 1):
        for block in range(1, blocks + 1):
            strides = 2 if group > 1 and block == 1 else 1
            images = _block(recipe, images, f"group{group}_block{block}", filters, strides)
    average = keras.layers.GlobalAveragePooling2D(name="head_average")(images)
    highest = keras.layers.GlobalMaxPooling2D(name="head_highest")(images)
    features = keras.layers.Concatenate(name="head_both")([average, highest])
    features = _norm("head_norm1")(features)
    features = dropout(recipe.dropout, features)
    hidden = keras.layers.Dense(widened(recipe, 512), activation="relu", name="head_hidden")
    features = _norm("head_norm2")(hidden(features))
    return classify(recipe, features)


def _block(
    recipe: Architecture, images: keras.KerasTensor, name: str, filters: int, strides: int
) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""
    shortcut = images
    images = _conv(recipe, images, f"{name}_1", filters, 3, strides)
    images = keras.layers.ReLU(name=f"{name}_relu")(images)
    images = _conv(recipe, images, f"{name}_2", filters, 3, 1)
    if shortcut.shape != images.shape:
        shortcut = _conv(recipe, shortcut, f"{name}_shortcut", filters, 1, strides)
    images = keras.layers.Add(name=f"{name}_add")([images, shortcut])
    return keras.layers.ReLU(name=f"{name}_out")(images)


def _conv(
    recipe: Architecture,
    images: keras.KerasTensor,
    name: str,
    filters: int,
    size: int,
    strides: int,
) -> keras.KerasTensor:
    """Convolution without bias and BatchNorm, no activation.

    A strided one is padded alike on all sides, so that it stays in line with the shortcut.
    """
    if strides > 1 and size > 1:
        images = _pad(images, name, size // 2)
    images = keras.layers.Conv2D(
        widened(recipe, filters),
        size,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        kernel_regularizer=l2(recipe),
        name=f"{name}_conv",
    )(images)
    return _norm(f"{name}_norm")(images)


def _pad(images: keras.KerasTensor, name: str, width: int) -> keras.KerasTensor:
    return keras.layers.ZeroPadding2D(width, name=f"{name}_pad")(images)


def _norm(name: str) -> keras.layers.Layer:
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=name)
