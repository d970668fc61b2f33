"""The networks: one module each, with ``build(recipe, images)``."""

import importlib

import keras

from digits.config import Architecture
from digits.errors import PipelineError

CLASSES = 10
SIZE = 28


def build(name: str, recipe: Architecture, mean: float, std: float) -> keras.Model:
    """Build the network of a recipe: the module ``digits/networks/<recipe.network>.py`` does.

    The model is uncompiled, from images standardized by ``mean`` and ``std`` (grey levels), float32
    (n, 28, 28, 1), to the probabilities of the ten classes, float32 (n, 10). With ``scaling: unit``
    its first layer undoes the standardization, so that the network proper sees pixels in [0, 1].

    Raises PipelineError if there is no such module, or the network has no place for a setting.
    """
    try:
        network = importlib.import_module(f"digits.networks.{recipe.network}")
    except ModuleNotFoundError as error:
        if error.name != f"digits.networks.{recipe.network}":
            raise
        raise PipelineError(
            f"architectures.{name} in params.yaml needs the module "
            f"digits/networks/{recipe.network}.py, which does not exist"
        ) from None
    inputs = keras.Input((SIZE, SIZE, 1), name="standardized")
    images = inputs
    if recipe.scaling == "unit":
        images = keras.layers.Rescaling(std / 255, mean / 255, name="unit")(inputs)
    return keras.Model(inputs, network.build(recipe, images), name=name)


def l2(recipe: Architecture) -> keras.regularizers.Regularizer | None:
    """Return the kernel regularizer that ``recipe.l2`` asks for."""
    return keras.regularizers.L2(recipe.l2) if recipe.l2 else None


def widened(recipe: Architecture, count: int) -> int:
    """Return how many filters or units ``recipe.width`` makes of ``count``, one at least."""
    return max(1, round(count * recipe.width))


def dropout(rate: float, images: keras.KerasTensor) -> keras.KerasTensor:
    """Drop a share ``rate`` of the activations while training; no layer at all for 0."""
    return keras.layers.Dropout(rate)(images) if rate else images


def conv(
    recipe: Architecture,
    images: keras.KerasTensor,
    filters: int,
    size: int,
    *,
    regularized: bool = False,
    normalized: bool = False,
) -> keras.KerasTensor:
    """Convolution and ReLU; ``normalized`` puts BatchNorm between and drops the bias."""
    images = keras.layers.Conv2D(
        widened(recipe, filters),
        size,
        use_bias=not normalized,
        kernel_regularizer=l2(recipe) if regularized else None,
    )(images)
    if normalized:
        images = keras.layers.BatchNormalization()(images)
    return keras.layers.ReLU()(images)


def hidden(
    recipe: Architecture, features: keras.KerasTensor, units: int, *, regularized: bool = False
) -> keras.KerasTensor:
    """Fully connected layer and ReLU; ``batch_norm`` puts BatchNorm between and drops the bias."""
    features = keras.layers.Dense(
        widened(recipe, units),
        use_bias=not recipe.batch_norm,
        kernel_regularizer=l2(recipe) if regularized else None,
    )(features)
    if recipe.batch_norm:
        features = keras.layers.BatchNormalization()(features)
    return keras.layers.ReLU()(features)


def head(recipe: Architecture, images: keras.KerasTensor, *units: int) -> keras.KerasTensor:
    """Connect images to class probabilities by a `hidden` layer for each of ``units``."""
    features = keras.layers.Flatten()(images)
    for count in units:
        features = hidden(recipe, features, count)
    return classify(recipe, features)


def classify(recipe: Architecture, features: keras.KerasTensor) -> keras.KerasTensor:
    """Dropout of the head, then the softmax over the classes."""
    features = dropout(recipe.dropout_head, features)
    return keras.layers.Dense(CLASSES, activation="softmax", name="probabilities")(features)


def refuse(recipe: Architecture, key: str, given: object, expected: object, reason: str) -> None:
    """Raise PipelineError if a setting is not ``expected``, the only value the network can take."""
    if given != expected:
        raise PipelineError(
            f"params.yaml: {key} of an architecture with network: {recipe.network} must be "
            f"{expected!r}: {reason}; given {given!r}"
        )
