import keras
import numpy as np
import pytest

from digits.errors import PipelineError
from tests.digits.training.conftest import build

# What the sources say of their networks, in the words of `described`. He et al. 2016 for the blocks
# of resnet34; where the shape changes, the shortcut is projected by a convolution of 1x1.
BLOCK = "conv {0} 3x3, norm, relu, conv {0} 3x3, norm, add, relu, "
PROJECTED = (
    "pad 1, conv {0} 3x3/2, norm, relu, conv {0} 3x3, conv {0} 1x1/2, norm, norm, add, relu, "
)
LAYERS = {
    "dense": "unit, flatten, dense 512, relu, dense 10, softmax",
    "convnet": "unit, conv 28 3x3, relu, max 2x2/2, flatten, dense 128, relu, dense 10, softmax",
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
SOURCES = {  # parameters, layers with L2, and of Dropout after convolutions
    "dense": (407_050, 1, 0),
    "convnet": (607_394, 1, 1),
    "convnet_dropout": (1_199_882, 2, 1),
    "lenet5": (61_706, 2, 2),
    "lenet5_v1": (45_332, 1, 2),
    "lenet5_v2": (390_562, 2, 2),
    "resnet34": (21_831_498, 36, 1),
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
    ("swift", 1): (
        "conv 32 5x5 l2 0.25, relu, max 2x2/2, conv 64 3x3 l2 0.25, norm, relu, "
        "conv 64 3x3 l2 0.25, norm, relu, max 2x2/2, dropout 0.125, "
        "flatten, dense 128, norm, relu, dropout 0.375, dense 10, softmax"
    ),
    ("champion", 1): CHAMPION.format((32, 64, 128, 128)),
    ("champion", 2): CHAMPION.format((64, 128, 256, 256)),
}
WORDS = {
    **{"Add": "add", "Concatenate": "concatenate", "Flatten": "flatten", "ReLU": "relu"},
    **{"BatchNormalization": "norm", "Rescaling": "unit"},
    **{"GlobalAveragePooling2D": "average of all", "GlobalMaxPooling2D": "max of all"},
    "Conv2D": "conv {filters} {kernel_size[0]}x{kernel_size[1]}",
    "Dense": "dense {units}",
    "Dropout": "dropout {rate:g}",
    "MaxPooling2D": "max {pool_size[0]}x{pool_size[1]}",
    "ZeroPadding2D": "pad {padding[0][0]}",
}


def layers(model: keras.Model, kind: type[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def described(model: keras.Model) -> str:
    """Return the layers in a few words each; an activation counts as a layer of its own."""
    return ", ".join(in_words(layer) for layer in model.layers[1:])


def in_words(layer: keras.Layer) -> str:
    config = layer.get_config()
    text = WORDS[type(layer).__name__].format(**config)
    if (strides := config.get("strides", (1, 1))) != (1, 1):
        text += f"/{strides[0]}"
    if regularizer := config.get("kernel_regularizer"):
        text += f" l2 {regularizer['config']['l2']:g}"
    activation = config.get("activation", "linear")
    return text if activation == "linear" else f"{text}, {activation}"


@pytest.mark.parametrize("name", LAYERS)
def test_layers_and_parameters_are_those_of_the_source(name: str) -> None:
    model = build(name)
    assert described(model) == LAYERS[name]
    assert model.count_params() == SOURCES[name][0]


@pytest.mark.parametrize(("network", "width"), OURS)
def test_layers_of_our_own_networks(network: str, width: int) -> None:
    changes = {"l2": 0.25, "dropout": 0.125, "dropout_head": 0.375}
    model = build("lenet5_v2", network=network, width=width, **changes)
    assert described(model) == OURS[network, width]


def test_width_multiplies_filters_and_units() -> None:
    for name in set(LAYERS) - {"dense"}:
        halved = layers(build(name, width=0.5), keras.layers.Conv2D)
        single = layers(build(name), keras.layers.Conv2D)
        assert [2 * one.filters for one in halved] == [one.filters for one in single]
    assert "conv 1 5x5, relu, max 2x2/2, conv 1 5x5" in described(build("lenet5", width=0.01))
    assert "dense 256" in described(build("dense", width=0.5))
    assert "dense 256, relu, norm, dropout 0.5" in described(build("resnet34", width=0.5))


def test_unit_scaling_undoes_the_standardization() -> None:
    standardized = (np.array([0, 51, 255], np.float32) - 33) / 78
    unit = build("dense").get_layer("unit")
    np.testing.assert_allclose(unit(standardized), [0, 0.2, 1], atol=1e-6)
    assert not layers(build("dense", scaling="standardized"), keras.layers.Rescaling)


@pytest.mark.parametrize("name", LAYERS)
def test_regularizers_go_where_the_source_has_them(name: str) -> None:
    _, regularized, dropouts = SOURCES[name]
    without = build(name, l2=0.0, dropout=0.0, dropout_head=0.0)
    assert not without.losses + layers(without, keras.layers.Dropout)
    model = build(name, l2=0.01, dropout=0.125 if dropouts else 0, dropout_head=0.375)
    rates = [layer.rate for layer in layers(model, keras.layers.Dropout)]
    assert rates == [0.125] * dropouts + [0.375]
    with_l2 = [layer for layer in model.layers if getattr(layer, "kernel_regularizer", None)]
    assert len(with_l2) == regularized
    if name != "resnet34":
        assert layers(build(name, batch_norm=True), keras.layers.BatchNormalization)
        assert not layers(build(name, batch_norm=False), keras.layers.BatchNormalization)


@pytest.mark.parametrize(
    ("name", "key", "given", "expected"),
    [("dense", "dropout", 0.25, "must be 0: "), ("resnet34", "batch_norm", False, "must be True")],
)
def test_a_network_refuses_what_it_has_no_place_for(
    name: str, key: str, given: object, expected: str
) -> None:
    where = f"params.yaml: {key} of an architecture with network: {name}"
    with pytest.raises(PipelineError, match=f"^{where} {expected}.*given {given}$"):
        build(name, **{key: given})


def test_an_architecture_without_a_module_is_named() -> None:
    with pytest.raises(PipelineError, match=r"needs the module digits/networks/lenet6\.py"):
        build("lenet5", network="lenet6")
