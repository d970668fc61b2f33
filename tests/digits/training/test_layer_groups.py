from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest

from digits import config, networks
from digits.config import Architecture, Phase, Spread
from digits.errors import PipelineError
from digits.training import layer_groups

BASE = config.load().architectures["resnet34"]


def phase(trainable: Literal["head", "all"], rate: Any = 0.001) -> Phase:
    constant = config.Constant(name="constant")
    return Phase(epochs=1, schedule=constant, learning_rate=rate, trainable=trainable)


def settings(network: str, **changes: Any) -> Architecture:
    return BASE.model_copy(update={"network": network, "pretrained": "none", **changes})


def build(network: str) -> keras.Model:
    return networks.build("mine", settings(network), 33.0, 78.0)


def test_the_groups_of_resnet34_go_from_stem_to_head() -> None:
    model = build("resnet34")
    groups = [layer_groups.of_layer(layer, "resnet34") for layer in model.layers if layer.weights]
    assert tuple(dict.fromkeys(groups)) == layer_groups.names("resnet34")
    convolutions = [
        layer_groups.of_layer(layer, "resnet34")
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    counts = {group: convolutions.count(group) for group in dict.fromkeys(convolutions)}
    assert counts == {"stem": 1, "group1": 6, "group2": 9, "group3": 13, "group4": 7}


def test_the_body_of_resnet34_ends_before_the_pooling_of_the_head() -> None:
    body = layer_groups.body(build("resnet34"), "resnet34")
    assert body.output_shape == (None, 1, 1, 512)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in body.layers) == 36
    assert body.count_params() == 21_295_424


def test_a_frozen_body_keeps_its_kernels_while_its_batch_norm_learns(tiny: str) -> None:
    model = build(tiny)
    before = {variable.path: np.array(variable) for variable in model.variables}
    layer_groups.set_trainable(model, tiny, phase("head"))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).normal(size=(64, 28, 28, 1)).astype(np.float32)
    model.fit(images, np.arange(64) % 10, epochs=2, verbose=0)
    moved = {v.path for v in model.variables if not np.array_equal(v, before[v.path])}
    still = {path for path in before if "conv/" in path} | {
        path for path in before if "seed_generator" in path
    }
    assert before.keys() - moved <= still
    assert not {path for path in moved if "conv/" in path}
    assert {f"stem_norm/{part}" for part in ("gamma", "beta", "moving_mean")} <= moved

    layer_groups.set_trainable(model, tiny, phase("all"))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(images, np.arange(64) % 10, verbose=0)
    kernel = model.get_layer("stem_conv").kernel
    assert not np.array_equal(kernel, before["stem_conv/kernel"])


def test_rates_rise_by_the_same_factor_from_stem_to_head() -> None:
    rates = layer_groups.rates(Spread(**{"from": 1e-6, "to": 1e-1}), "resnet34")
    assert list(rates) == ["stem", "group1", "group2", "group3", "group4", "head"]
    assert list(rates.values()) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pretrained": "glyphs"}, "has pretrained: glyphs, which"),
        ({"phases": [phase("all"), phase("head")]}, "has phases.1.trainable: head, which"),
        (
            {"phases": [phase("head", Spread(**{"from": 1e-6, "to": 1e-3}))]},
            "has phases.0.trainable: head, phases.0.learning_rate: from, to, which",
        ),
    ],
)
def test_a_network_without_a_body_refuses_what_needs_one(
    changes: dict[str, Any], named: str
) -> None:
    wanted = {"phases": [phase("all")], **changes}
    with pytest.raises(PipelineError) as refusal:
        layer_groups.check("mine", settings("lenet5", **wanted))
    assert f"architectures.mine {named} needs a body" in str(refusal.value)
    layer_groups.check("mine", settings("resnet34", **wanted))
    layer_groups.check("mine", settings("lenet5", phases=[phase("all")]))


def test_a_body_comes_back_from_its_weights_file(tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "body.weights.h5"
    first, second = build(tiny), build(tiny)
    layer_groups.body(first, tiny).save_weights(path)
    head = second.get_layer("probabilities").get_weights()
    layer_groups.load_body(second, tiny, path)
    for ours, theirs in zip(second.layers, first.layers, strict=True):
        expected = head if ours.name == "probabilities" else theirs.get_weights()
        for mine, other in zip(ours.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_weights_that_are_no_numbers_are_refused(tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "body.weights.h5"
    model = build(tiny)
    kernel = model.get_layer("middle_conv").kernel
    kernel.assign(keras.ops.full(kernel.shape, np.nan))
    layer_groups.body(model, tiny).save_weights(path)
    with pytest.raises(PipelineError, match="finite weights, found others in middle_conv/kernel"):
        layer_groups.load_body(build(tiny), tiny, path)


def test_weights_of_another_body_or_no_weights_are_refused(tiny: str, tmp_path: Path) -> None:
    expected = r"expected the weights of the body of resnet34 \(21,295,424 in 180 arrays\)"
    path = tmp_path / "other.weights.h5"
    layer_groups.body(build(tiny), tiny).save_weights(path)
    model = build("resnet34")
    with pytest.raises(PipelineError, match=expected):
        layer_groups.load_body(model, "resnet34", path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PipelineError, match=expected):
        layer_groups.load_body(model, "resnet34", path)
    path.write_text("weights")
    with pytest.raises(PipelineError, match=expected):
        layer_groups.load_body(model, "resnet34", path)
    with pytest.raises(FileNotFoundError, match=r"none\.weights\.h5"):
        layer_groups.load_body(model, "resnet34", tmp_path / "none.weights.h5")
