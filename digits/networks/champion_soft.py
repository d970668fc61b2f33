"""champion with softer labels: nine tenths for the digit it is, a tenth spread over all ten."""

import keras

from digits.config import Architecture
from digits.networks import CLASSES, champion

SMOOTHING = 0.1  # the share of a label that is spread
SMALLEST = 1e-7  # probability, as in Keras's cross-entropy


def build(settings: Architecture, images: keras.KerasTensor) -> keras.KerasTensor:
    """Connect images (n, 28, 28, 1) to class probabilities (n, 10).

    The cross-entropy from softer labels (Szegedy and others 2016, 7) is (1 - s) times that from the
    labels as they are plus s times that from a label that is all ten alike. Here the latter is a
    penalty, on the logarithms of the probabilities and by s / (1 - s), so that loss and
    cross-entropy differ as they do with L2.
    """
    probabilities = champion.build(settings, images)
    logarithms = keras.ops.log(keras.ops.maximum(probabilities, SMALLEST))
    penalty = SMOOTHING / (1 - SMOOTHING) / CLASSES
    return keras.ops.exp(keras.layers.ActivityRegularization(l1=penalty)(logarithms))
