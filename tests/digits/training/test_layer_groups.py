from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from digits.errors import PipelineError
from digits.training import layer_groups
from tests.digits.training.conftest import build, build_tiny, recipe

PHASE = {"epochs": 1, "learning_rate": 0.001}
RATES = {"learning_rate": {"from": 1e-6, "to": 1e-3}}


def test_the_groups_of_resnet34_go_from_stem_to_head() -> None:
    resnet34 = build("resnet34")
    layers = [layer for layer in resnet34.layers if layer.weights]
    groups = {layer: layer_groups.of_layer(layer, "resnet34") for layer in layers}
    assert tuple(dict.fromkeys(groups.values())) == layer_groups.names("resnet34")
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    counts = Counter(groups[layer] for layer in convolutions)
    assert counts == {"stem": 1, "group1": 6, "group2": 9, "group3": 13, "group4": 7}
    backbone = layer_groups.backbone(resnet34, "resnet34")  # ends before the head's pooling
    assert backbone.output_shape == (None, 1, 1, 512)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in backbone.layers) == 36
    assert backbone.count_params() == 21_295_424


def test_a_frozen_backbone_keeps_its_kernels_while_its_batch_norm_learns(tiny: str) -> None:
    model = build_tiny()
    before = {variable.path: np.array(variable) for variable in model.variables}
    images = np.random.default_rng(0).normal(size=(64, 28, 28, 1)).astype(np.float32)

    def moved_by_training(trainable: str) -> set[str]:
        layer_groups.set_trainable(model, tiny, trainable)
        model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
        model.fit(images, np.arange(64) % 10, epochs=2, verbose=0)
        return {v.path for v in model.variables if not np.array_equal(v, before[v.path])}

    moved = moved_by_training("head")
    still = {path for path in before if "conv/" in path or "seed_generator" in path}
    assert before.keys() - moved <= still
    assert not {path for path in moved if "conv/" in path}
    assert {f"stem_norm/{part}" for part in ("gamma", "beta", "moving_mean")} <= moved
    assert "stem_conv/kernel" in moved_by_training("all")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pretrained": "letters"}, "has pretrained: letters, which"),
        ({"phases": {"all": PHASE, "head": PHASE}}, "has phases.head, which"),
        ({"phases": {"head": PHASE | RATES}}, "has phases.head, learning_rate: from, to, which"),
    ],
)
def test_what_needs_a_backbone_is_refused_without_one(changes: dict[str, Any], named: str) -> None:
    wanted = {"epochs": None, "optimizer": {"name": "adam"}, "phases": {"all": PHASE}, **changes}
    with pytest.raises(PipelineError, match=rf"architectures\.mine {named} needs a backbone"):
        layer_groups.check("mine", recipe(**wanted))
    layer_groups.check("mine", recipe(**wanted, network="resnet34"))


def test_a_backbone_comes_back_from_its_weights_file_unless_some_are_no_numbers(
    tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "backbone.weights.h5"
    first, second = build_tiny(), build_tiny()
    layer_groups.backbone(first, tiny).save_weights(path)
    head = second.get_layer("probabilities").get_weights()
    layer_groups.load_backbone(second, tiny, path)
    for ours, theirs in zip(second.layers, first.layers, strict=True):
        expected = head if ours.name == "probabilities" else theirs.get_weights()
        for mine, other in zip(ours.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(mine, other)
    kernel = first.get_layer("middle_conv").kernel
    kernel.assign(keras.ops.full(kernel.shape, np.nan))
    layer_groups.backbone(first, tiny).save_weights(path)
    with pytest.raises(PipelineError, match="finite weights, found others in middle_conv/kernel"):
        layer_groups.load_backbone(second, tiny, path)


def test_weights_of_another_backbone_or_no_weights_are_refused(tiny: str, tmp_path: Path) -> None:
    expected = r"expected the weights of the backbone of resnet34 \(21,295,424 in 180 arrays\)"
    path = tmp_path / "other.weights.h5"
    layer_groups.backbone(build_tiny(), tiny).save_weights(path)
    whole = path.read_bytes()
    for content in (whole, whole[:1000], b"weights"):
        path.write_bytes(content)
        with pytest.raises(PipelineError, match=expected):
            layer_groups.load_backbone(build("resnet34"), "resnet34", path)
    with pytest.raises(FileNotFoundError, match=r"none\.weights\.h5"):
        layer_groups.load_backbone(build("resnet34"), "resnet34", tmp_path / "none.weights.h5")
