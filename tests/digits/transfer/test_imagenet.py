import hashlib
import sys
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import save

from digits.config import ImageNet
from digits.errors import PipelineError
from digits.training import layer_groups
from digits.transfer import imagenet
from tests.conftest import Answer, Serve, in_turn, send
from tests.digits.training.conftest import build

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
NORM = ("weight", "bias", "running_mean", "running_var")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def weights() -> imagenet.Arrays:
    """Random weights under the names and in the shapes of PyTorch's ResNet-34."""
    rng = np.random.default_rng(0)
    arrays = {"fc.weight": np.zeros((1000, 512), np.float32)}

    def add(conv: str, norm: str, *shape: int) -> None:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{conv}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
        for part in NORM:
            arrays[f"{norm}.{part}"] = rng.uniform(0.5, 1, shape[0]).astype(np.float32)

    add("conv1", "bn1", 64, 3, 7, 7)
    before = 64
    for stage, (filters, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            add(f"{name}.conv1", f"{name}.bn1", filters, before, 3, 3)
            add(f"{name}.conv2", f"{name}.bn2", filters, filters, 3, 3)
            if before != filters:
                add(f"{name}.downsample.0", f"{name}.downsample.1", filters, before, 1, 1)
            before = filters
    return arrays


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return layer_groups.backbone(build("resnet34"), "resnet34")


def windows(images: np.ndarray, size: int, strides: int, border: float) -> np.ndarray:
    """Return the windows of (channels, height, width) with a border of half a window."""
    half = size // 2
    padded = np.pad(images, ((0, 0), (half, half), (half, half)), constant_values=border)
    every = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return every[:, ::strides, ::strides]


def pytorch_resnet34(arrays: imagenet.Arrays, grey: np.ndarray) -> np.ndarray:
    """What torchvision's definition says the backbone makes of a grey picture: (512,)."""

    def step(images: np.ndarray, conv: str, norm: str, strides: int = 1) -> np.ndarray:
        kernel = arrays[f"{conv}.weight"]
        seen = windows(images, kernel.shape[2], strides, border=0)
        images = np.einsum("chwij,fcij->fhw", seen, kernel, optimize=True)
        gamma, beta, mean, variance = (arrays[f"{norm}.{part}"][:, None, None] for part in NORM)
        result: np.ndarray = gamma * (images - mean) / np.sqrt(variance + 1e-5) + beta
        return result

    images = np.maximum(step(np.stack([grey] * 3), "conv1", "bn1", 2), 0)
    images = windows(images, 3, 2, border=-np.inf).max(axis=(3, 4))
    for stage, (_, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            strides = 2 if stage > 1 and block == 0 else 1
            inner = np.maximum(step(images, f"{name}.conv1", f"{name}.bn1", strides), 0)
            inner = step(inner, f"{name}.conv2", f"{name}.bn2")
            if f"{name}.downsample.0.weight" in arrays:
                images = step(images, f"{name}.downsample.0", f"{name}.downsample.1", strides)
            images = np.maximum(inner + images, 0)
    features: np.ndarray = images[:, 0, 0]
    return features


def test_the_backbone_computes_as_pytorchs(weights: imagenet.Arrays, backbone: keras.Model) -> None:
    imagenet.load_backbone(backbone, weights)
    grey = np.random.default_rng(1).normal(size=(28, 28)).astype(np.float32)
    ours = np.asarray(backbone(grey[None, ..., None]))[0, 0, 0]
    np.testing.assert_allclose(ours, pytorch_resnet34(weights, grey), rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("layer2.0.downsample.0.weight", None, "have no layer2.0.downsample.0.weight"),
        ("layer4.2.bn2.running_var", np.full(512, np.nan), "NaN or infinity in layer4.2.bn2"),
        ("layer1.0.conv1.weight", np.zeros((64, 64, 1, 1)), "block1_1_conv: expected 36,864"),
        ("conv1.weight", np.zeros((64, 4, 7, 7)), "stem_conv: expected 3,136 weights of shape"),
        ("bn1.weight", np.zeros((1, 64)), "stem_norm: expected 64 weights of shape"),
    ],
)
def test_weights_of_another_network_are_refused(
    weights: imagenet.Arrays, backbone: keras.Model, name: str, value: Any, complaint: str
) -> None:
    others = {key: array for key, array in weights.items() if key != name}
    if value is not None:
        others[name] = value.astype(np.float32)
    with pytest.raises(PipelineError, match=complaint):
        imagenet.load_backbone(backbone, others)


def serving(content: bytes) -> Answer:
    return partial(send, body=content, headers={"Content-Length": len(content)})


def test_weights_are_fetched_once(weights: imagenet.Arrays, serve: Serve, tmp_path: Path) -> None:
    content = save(weights)
    source = ImageNet(url=serve(in_turn(serving(content))), sha256=sha256(content))
    for _ in range(2):  # the second time, from the folder
        fetched = imagenet.fetch(source, tmp_path)
        assert fetched.keys() == weights.keys()
        np.testing.assert_array_equal(fetched["conv1.weight"], weights["conv1.weight"])


@pytest.mark.parametrize(
    ("content", "expected", "complaint"),
    [
        (b"\x80\x05pickled", sha256(b"\x80\x05pickled"), "is not a safetensors file"),
        (b"other", "0" * 64, "cannot be had: .*hash"),
        (bytes(5000), sha256(b""), "expected at most 1,000 bytes"),
    ],
)
def test_other_files_are_refused(
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    expected: str,
    complaint: str,
) -> None:
    monkeypatch.setattr(imagenet, "LARGEST", 1000)
    with pytest.raises(PipelineError, match=f"(?s){complaint}"):
        imagenet.fetch(ImageNet(url=serve(serving(content)), sha256=expected), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_or_the_extra_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ImageNet(url="http://127.0.0.1:1/model", sha256=sha256(b""))
    with pytest.raises(PipelineError, match=r"cannot be had: .*letters needs no network"):
        imagenet.fetch(source, tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(PipelineError, match="needs the package safetensors: pip install"):
        imagenet.fetch(source, tmp_path)
