"""The networks: one module each, with ``build(settings, images)``."""

import importlib

import keras

from digits.config import Architecture
from digits.errors import PipelineError

CLASSES = 10
SIDE = 28


def build(name: str, settings: Architecture, mean: float, deviation: float) -> keras.Model:
    """Build the network of an architecture.

    Args:
        name: the architecture; a name in params.yaml.
        settings: how to build it; a network, the module ``digits/networks/<settings.network>.py``,
            refuses what it has no place for.
        mean: of the training pixels, in grey levels 0 to 255.
        deviation: of the training pixels, in grey levels.

    Returns:
        An uncompiled model from standardized images, float32 (n, 28, 28, 1), to the probabilities
        of the ten classes, float32 (n, 10). With ``scaling: unit`` its first layer undoes the
        standardization, so that the network proper sees pixels in [0, 1].

    Raises:
        PipelineError: no such module, or a setting the network has no place for.
    """
    try:
        network = importlib.import_module(f"digits.networks.{settings.network}")
    except ModuleNotFoundError as error:
        if error.name != f"digits.networks.{settings.network}":
            raise
        raise PipelineError(
            f"architectures.{name} in params.yaml needs the module "
            f"digits/networks/{settings.network}.py, which does not exist"
        ) from None
    inputs = keras.Input((SIDE, SIDE, 1), name="standardized")
    images = inputs
    if settings.scaling == "unit":
        images = keras.layers.Rescaling(deviation / 255, mean / 255, name="unit")(inputs)
    return keras.Model(inputs, network.build(settings, images), name=name)


def l2(settings: Architecture) -> keras.regularizers.Regularizer | None:
    """Return the kernel regularizer that ``settings.l2`` asks for."""
    return keras.regularizers.L2(settings.l2) if settings.l2 else None


def dropout(rate: float, images: keras.KerasTensor) -> keras.KerasTensor:
    """Drop a share ``rate`` of the activations while training; no layer at all for 0."""
    return keras.layers.Dropout(rate)(images) if rate else images


def conv(
    settings: Architecture,
    images: keras.KerasTensor,
    filters: int,
    side: int,
    *,
    regularized: bool = False,
    normalized: bool = False,
) -> keras.KerasTensor:
    """Convolution and ReLU; ``normalized`` puts BatchNorm between and drops the bias."""
    images = keras.layers.Conv2D(
        filters,
        side,
        use_bias=not normalized,
        kernel_regularizer=l2(settings) if regularized else None,
    )(images)
    if normalized:
        images = keras.layers.BatchNormalization()(images)
    return keras.layers.ReLU()(images)


def hidden(
    settings: Architecture, features: keras.KerasTensor, units: int, *, regularized: bool = False
) -> keras.KerasTensor:
    """Fully connected layer and ReLU; ``batch_norm`` puts BatchNorm between and drops the bias."""
    features = keras.layers.Dense(
        units,
        use_bias=not settings.batch_norm,
        kernel_regularizer=l2(settings) if regularized else None,
    )(features)
    if settings.batch_norm:
        features = keras.layers.BatchNormalization()(features)
    return keras.layers.ReLU()(features)


def classify(settings: Architecture, features: keras.KerasTensor) -> keras.KerasTensor:
    """Dropout of the head, then the softmax over the classes."""
    features = dropout(settings.dropout_head, features)
    return keras.layers.Dense(CLASSES, activation="softmax", name="probabilities")(features)


def refuse(settings: Architecture, key: str, given: object, expected: object, reason: str) -> None:
    """Refuse a setting the network has no place for.

    Raises:
        PipelineError: ``given`` differs from the only value the network can take.
    """
    if given != expected:
        raise PipelineError(
            f"params.yaml: {key} of an architecture with network: {settings.network} must be "
            f"{expected!r}: {reason}; "
            f"given {given!r}"
        )
