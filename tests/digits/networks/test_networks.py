from typing import Any

import keras
import numpy as np
import pytest

from digits import networks, params
from digits.errors import PipelineError

ARCHITECTURES = params.load().architectures


def build(name: str, **changes: Any) -> keras.Model:
    settings = ARCHITECTURES[name].model_copy(update=changes)
    return networks.build(name, settings, mean=33.0, deviation=78.0)


def layers(model: keras.Model, kind: type[keras.Layer]) -> list[keras.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dense", 784 * 512 + 512 + 512 * 10 + 10),
        ("convnet_dropout", 1_199_882),
        ("lenet5", 61_706),
        ("lenet5_v2", 390_562),
    ],
)
def test_parameters_are_as_many_as_the_source_says(name: str, parameters: int) -> None:
    assert build(name).count_params() == parameters


def test_lenet5_v2_trains_as_many_of_them_as_the_source_says() -> None:
    assert sum(np.prod(w.shape) for w in build("lenet5_v2").trainable_weights) == 389_434


def test_resnet34_has_its_34_layers_and_three_projections() -> None:
    convolutions = layers(build("resnet34"), keras.layers.Conv2D)
    assert len([c for c in convolutions if c.kernel_size != (1, 1)]) == 1 + 2 * (3 + 4 + 6 + 3)
    assert [c.filters for c in convolutions if c.kernel_size == (1, 1)] == [128, 256, 512]


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
    [("dense", 1), ("convnet", 1), ("lenet5", 2), ("lenet5_v1", 1), ("lenet5_v2", 2)],
)
def test_l2_goes_where_the_source_has_it(name: str, regularized: int) -> None:
    assert len(build(name, l2=0.0).losses) == 0
    model = build(name, l2=0.01)
    with_l2 = [w for w in model.layers if getattr(w, "kernel_regularizer", None)]
    assert len(with_l2) == regularized
    expected = sum(0.01 * np.square(np.asarray(layer.kernel)).sum() for layer in with_l2)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("name", "places"), [("convnet_dropout", 1), ("lenet5_v2", 2)])
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
    assert str(caught.value).startswith(f"params.yaml: architectures.{name}.{key} {expected}")
    assert str(caught.value).endswith(f"given {given}")


def test_an_architecture_without_a_module_is_named() -> None:
    with pytest.raises(PipelineError, match=r"needs the module digits/networks/lenet6\.py"):
        networks.build("lenet6", ARCHITECTURES["lenet5"], 33.0, 78.0)
