"""champion with twice the filters: four times its work."""

import keras

from digits.config import Architecture
from digits.networks import classify, conv, dropout, hidden, l2


def build(settings: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    L2 and BatchNorm go where champion has them: BatchNorm to all convolutions but the first, and
    to the second after the pooling.
    """
    images = conv(settings, images, 64, 5, regularized=True)
    images = keras.layers.Conv2D(
        64, 3, use_bias=not settings.batch_norm, kernel_regularizer=l2(settings)
    )(images)
    images = keras.layers.MaxPooling2D()(images)
    if settings.batch_norm:
        images = keras.layers.BatchNormalization()(images)
    images = dropout(settings.dropout, keras.layers.ReLU()(images))
    for filters in (128, 256):
        images = keras.layers.ZeroPadding2D(1)(images)
        for _ in range(2):
            images = conv(
                settings, images, filters, 3, regularized=True, normalized=settings.batch_norm
            )
        if filters == 128:
            images = keras.layers.MaxPooling2D()(images)
        images = dropout(settings.dropout, images)
    return classify(settings, hidden(settings, keras.layers.Flatten()(images), 256))
