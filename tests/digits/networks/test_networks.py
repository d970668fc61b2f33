from typing import Any

import keras
import numpy as np
import pytest

from digits import config, networks
from digits.errors import PipelineError
from digits.networks import champion_soft

ARCHITECTURES = config.load().architectures


# What the sources say of their networks, in the words of `described`. He et al. 2016 for the blocks
# of resnet34; where the shape changes, the shortcut is projected by a convolution of 1x1.
BLOCK = "conv {0} 3x3, norm, relu, conv {0} 3x3, norm, add, relu, "
PROJECTED = (
    "pad 1, conv {0} 3x3/2, norm, relu, conv {0} 3x3, conv {0} 1x1/2, norm, norm, add, relu, "
)
LAYERS = {
    "dense": "unit, flatten, dense 512, relu, dense 10, softmax",
    "convnet": ("unit, conv 28 3x3, relu, max 2x2/2, flatten, dense 128, relu, dense 10, softmax"),
    "convnet_dropout": (
        "unit, conv 32 3x3, relu, conv 64 3x3, relu, max 2x2/2, dropout 0.25, "
        "flatten, dense 128, relu, dropout 0.5, dense 10, softmax"
    ),
    "lenet5": (
        "pad 2, conv 6 5x5, relu, max 2x2/2, conv 16 5x5, relu, max 2x2/2, "
        "flatten, dense 120, relu, dense 84, relu, dense 10, softmax"
    ),
    "lenet5_v1": (
        "pad 2, conv 6 5x5, relu, conv 6 5x5, relu, max 2x2/2, dropout 0.25, "
        "conv 16 5x5 l2 0.01, relu, max 2x2/2, dropout 0.25, "
        "flatten, dense 120, relu, dense 84, relu, dense 10, softmax"
    ),
    "lenet5_v2": (
        "pad 2, conv 32 5x5 l2 0.0005, relu, conv 32 5x5, norm, relu, max 2x2/2, dropout 0.25, "
        "conv 64 3x3 l2 0.0005, relu, conv 64 3x3, norm, relu, max 2x2/2, dropout 0.25, "
        "flatten, dense 256, norm, relu, dense 128, norm, relu, dense 84, norm, relu, "
        "dropout 0.25, dense 10, softmax"
    ),
    "resnet34": (
        "pad 3, conv 64 7x7/2, norm, relu, pad 1, max 3x3/2, "
        + 3 * BLOCK.format(64)
        + (PROJECTED + 3 * BLOCK).format(128)
        + (PROJECTED + 5 * BLOCK).format(256)
        + (PROJECTED + 2 * BLOCK).format(512)
        + "average of all, max of all, concatenate, norm, dropout 0.25, "
        "dense 512, relu, norm, dropout 0.5, dense 10, softmax"
    ),
}
# Ours, as their docstrings say, with all that can be put into them.
CHAMPION = (
    "conv {0[0]} 5x5 l2 0.25, relu, conv {0[0]} 3x3 l2 0.25, max 2x2/2, norm, relu, dropout 0.125, "
    "pad 1, conv {0[1]} 3x3 l2 0.25, norm, relu, conv {0[1]} 3x3 l2 0.25, norm, relu, "
    "max 2x2/2, dropout 0.125, "
    "pad 1, conv {0[2]} 3x3 l2 0.25, norm, relu, conv {0[2]} 3x3 l2 0.25, norm, relu, "
    "dropout 0.125, flatten, dense {0[3]}, norm, relu, dropout 0.375, dense 10, softmax"
)
OURS = {
    "swift": (
        "conv 32 5x5 l2 0.25, relu, max 2x2/2, conv 64 3x3 l2 0.25, norm, relu, "
        "conv 64 3x3 l2 0.25, norm, relu, max 2x2/2, dropout 0.125, "
        "flatten, dense 128, norm, relu, dropout 0.375, dense 10, softmax"
    ),
    "champion": CHAMPION.format((32, 64, 128, 128)),
    "champion_wide": CHAMPION.format((64, 128, 256, 256)),
}
WORDS = {
    "Add": "add",
    "BatchNormalization": "norm",
    "Concatenate": "concatenate",
    "Conv2D": "conv {filters} {kernel_size[0]}x{kernel_size[1]}",
    "Dense": "dense {units}",
    "Dropout": "dropout {rate:g}",
    "Flatten": "flatten",
    "GlobalAveragePooling2D": "average of all",
    "GlobalMaxPooling2D": "max of all",
    "MaxPooling2D": "max {pool_size[0]}x{pool_size[1]}",
    "ReLU": "relu",
    "Rescaling": "unit",
    "ZeroPadding2D": "pad {padding[0][0]}",
}


def build(name: str, **changes: Any) -> keras.Model:
    settings = ARCHITECTURES[name].model_copy(update=changes)
    return networks.build(name, settings, mean=33.0, std=78.0)


def layers(model: keras.Model, kind: type[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def described(layer: keras.Layer) -> str:
    """Return a layer in a few words; an activation counts as a layer of its own."""
    config = layer.get_config()
    text = WORDS[type(layer).__name__].format(**config)
    if (strides := config.get("strides", (1, 1))) != (1, 1):
        text += f"/{strides[0]}"
    if regularizer := config.get("kernel_regularizer"):
        text += f" l2 {regularizer['config']['l2']:g}"
    activation = config.get("activation", "linear")
    return text if activation == "linear" else f"{text}, {activation}"


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_source(name: str) -> None:
    assert ", ".join(map(described, build(name).layers[1:])) == LAYERS[name]


@pytest.mark.parametrize("network", OURS)
def test_layers_of_our_own_networks(network: str) -> None:
    model = build("lenet5_v2", network=network, l2=0.25, dropout=0.125, dropout_head=0.375)
    assert ", ".join(map(described, model.layers[1:])) == OURS[network]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dense", 407_050),
        ("convnet", 607_394),
        ("convnet_dropout", 1_199_882),
        ("lenet5", 61_706),
        ("lenet5_v1", 45_332),
        ("lenet5_v2", 390_562),
        ("resnet34", 21_831_498),
    ],
)
def test_parameters_are_as_many_as_the_source_says(name: str, parameters: int) -> None:
    assert build(name).count_params() == parameters


def test_lenet5_v2_trains_as_many_of_them_as_the_source_says() -> None:
    assert sum(np.prod(w.shape) for w in build("lenet5_v2").trainable_weights) == 389_434


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_output_is_a_probability_for_each_class(name: str) -> None:
    model = build(name)
    images = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype(np.float32)
    probabilities = np.asarray(model(images))
    assert probabilities.shape == (3, 10)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_unit_scaling_undoes_the_standardization() -> None:
    first = build("dense").get_layer("unit")
    pixels = np.array([0, 51, 255], np.float32)
    np.testing.assert_allclose(first((pixels - 33) / 78), [0, 0.2, 1], atol=1e-6)
    names = [layer.name for layer in build("dense", scaling="standardized").layers]
    assert "unit" not in names


@pytest.mark.parametrize(
    ("name", "regularized"),
    [
        ("dense", 1),
        ("convnet", 1),
        ("convnet_dropout", 2),
        ("lenet5", 2),
        ("lenet5_v1", 1),
        ("lenet5_v2", 2),
        ("resnet34", 36),
    ],
)
def test_l2_goes_where_the_source_has_it(name: str, regularized: int) -> None:
    assert len(build(name, l2=0.0).losses) == 0
    model = build(name, l2=0.01)
    with_l2 = [w for w in model.layers if getattr(w, "kernel_regularizer", None)]
    assert len(with_l2) == regularized
    expected = sum(0.01 * np.square(np.asarray(layer.kernel)).sum() for layer in with_l2)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "places"),
    [("convnet", 1), ("convnet_dropout", 1), ("lenet5", 2), ("lenet5_v1", 2), ("lenet5_v2", 2)],
)
def test_dropout_follows_the_convolutions_and_comes_before_the_last_layer(
    name: str, places: int
) -> None:
    model = build(name, dropout=0.125, dropout_head=0.375)
    rates = [layer.rate for layer in layers(model, keras.layers.Dropout)]
    assert rates == [0.125] * places + [0.375]
    assert not layers(build(name, dropout=0.0, dropout_head=0.0), keras.layers.Dropout)


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"resnet34"}))
def test_batch_norm_can_be_put_in_and_taken_out(name: str) -> None:
    assert layers(build(name, batch_norm=True), keras.layers.BatchNormalization)
    assert not layers(build(name, batch_norm=False), keras.layers.BatchNormalization)


@pytest.mark.parametrize(
    ("name", "key", "given", "expected"),
    [("dense", "dropout", 0.25, "must be 0: "), ("resnet34", "batch_norm", False, "must be True")],
)
def test_a_network_refuses_what_it_has_no_place_for(
    name: str, key: str, given: object, expected: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        build(name, **{key: given})
    assert str(caught.value).startswith(
        f"params.yaml: {key} of an architecture with network: {name} {expected}"
    )
    assert str(caught.value).endswith(f"given {given}")


def test_an_architecture_without_a_module_is_named() -> None:
    with pytest.raises(PipelineError, match=r"needs the module digits/networks/lenet6\.py"):
        build("lenet5", network="lenet6")


def test_softer_labels_are_label_smoothing_as_keras_has_it() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(7, 28, 28, 1)).astype(np.float32)
    labels = rng.integers(0, 10, 7)
    model = build("lenet5_v2", network="champion_soft", l2=0.0)
    model.compile(loss="sparse_categorical_crossentropy")
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=champion_soft.SMOOTHING)
    expected = smoothed(np.eye(10)[labels], model(images)) / (1 - champion_soft.SMOOTHING)
    assert model.evaluate(images, labels, verbose=0) == pytest.approx(float(expected), rel=1e-5)


def test_softer_labels_change_no_probability() -> None:
    soft = build("lenet5_v2", network="champion_soft")
    hard = build("lenet5_v2", network="champion")
    hard.set_weights(soft.get_weights())
    images = np.random.default_rng(0).normal(size=(7, 28, 28, 1)).astype(np.float32)
    np.testing.assert_allclose(soft(images), hard(images), rtol=1e-5)
