"""ResNet-34 (He, Zhang, Ren and Sun 2016) with the head of source S0, for 28x28 grey images."""

import keras

from digits.networks import classify, dropout, l2, refuse
from digits.params import Architecture

GROUPS = ((64, 3), (128, 4), (256, 6), (512, 3))  # filters, blocks
MOMENTUM = 0.9  # of BatchNorm's averages, as in the source; Keras's 0.99 lags in short trainings


def build(settings: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    ``dropout`` comes before the hidden layer of the head, ``dropout_head`` after it; L2 goes to
    every convolution. ``batch_norm: false`` is refused: the blocks are defined with it.
    """
    refuse(settings, "batch_norm", settings.batch_norm, True, "its blocks are built on BatchNorm")
    images = keras.layers.ReLU()(_conv(settings, images, 64, 7, 2))
    images = keras.layers.MaxPooling2D(3, strides=2, padding="same")(images)
    for group, (filters, blocks) in enumerate(GROUPS):
        for block in range(blocks):
            images = _block(settings, images, filters, 2 if group and not block else 1)
    average = keras.layers.GlobalAveragePooling2D()(images)
    highest = keras.layers.GlobalMaxPooling2D()(images)
    features = keras.layers.Concatenate()([average, highest])
    features = keras.layers.BatchNormalization(momentum=MOMENTUM)(features)
    features = dropout(settings.dropout, features)
    features = keras.layers.Dense(512, activation="relu")(features)
    features = keras.layers.BatchNormalization(momentum=MOMENTUM)(features)
    return classify(settings, features)


def _block(
    settings: Architecture, images: keras.KerasTensor, filters: int, strides: int
) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""
    shortcut = images
    images = keras.layers.ReLU()(_conv(settings, images, filters, 3, strides))
    images = _conv(settings, images, filters, 3, 1)
    if shortcut.shape != images.shape:
        shortcut = _conv(settings, shortcut, filters, 1, strides)
    return keras.layers.ReLU()(keras.layers.Add()([images, shortcut]))


def _conv(
    settings: Architecture, images: keras.KerasTensor, filters: int, side: int, strides: int
) -> keras.KerasTensor:
    """Convolution without bias and BatchNorm, no activation."""
    images = keras.layers.Conv2D(
        filters,
        side,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_regularizer=l2(settings),
    )(images)
    return keras.layers.BatchNormalization(momentum=MOMENTUM)(images)
