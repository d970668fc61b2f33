"""ResNet-34 (He, Zhang, Ren and Sun 2016) with the head of source S0, for 28x28 grey images."""

import keras

from digits.networks import classify, conv, dropout, l2, refuse
from digits.params import Architecture

GROUPS = ((64, 3), (128, 4), (256, 6), (512, 3))  # filters, blocks


def build(settings: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    ``dropout`` comes before the hidden layer of the head, ``dropout_head`` after it; L2 goes to
    every convolution. ``batch_norm: false`` is refused: the blocks are defined with it.
    """
    refuse("resnet34", "batch_norm", settings.batch_norm, True, "its blocks are built on BatchNorm")
    images = conv(
        settings, images, 64, 7, strides=2, padding="same", regularized=True, normalized=True
    )
    images = keras.layers.MaxPooling2D(3, strides=2, padding="same")(images)
    for group, (filters, blocks) in enumerate(GROUPS):
        for block in range(blocks):
            images = _block(settings, images, filters, 2 if group and not block else 1)
    features = keras.layers.Concatenate()(
        [
            keras.layers.GlobalAveragePooling2D()(images),
            keras.layers.GlobalMaxPooling2D()(images),
        ]
    )
    features = keras.layers.BatchNormalization()(features)
    features = dropout(settings.dropout, features)
    features = keras.layers.Dense(512, activation="relu")(features)
    features = keras.layers.BatchNormalization()(features)
    return classify(settings, features)


def _block(
    settings: Architecture, images: keras.KerasTensor, filters: int, strides: int
) -> keras.KerasTensor:
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""
    shortcut = images
    images = conv(
        settings,
        images,
        filters,
        3,
        strides=strides,
        padding="same",
        regularized=True,
        normalized=True,
    )
    images = _linear_conv(settings, images, filters, 3, 1)
    if shortcut.shape != images.shape:
        shortcut = _linear_conv(settings, shortcut, filters, 1, strides)
    return keras.layers.ReLU()(keras.layers.Add()([images, shortcut]))


def _linear_conv(
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
    return keras.layers.BatchNormalization()(images)
