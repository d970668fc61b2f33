import hashlib
import sys
from http.server import BaseHTTPRequestHandler as Request
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
from tests.conftest import Serve, send
from tests.digits.training.conftest import build

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
NORM = ("weight", "bias", "running_mean", "running_var")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def weights() -> imagenet.Arrays:
    """Random weights under the names and in the shapes of PyTorch's ResNet-34."""
    shapes: dict[str, tuple[int, ...]] = {"conv1": (64, 3, 7, 7), "bn1": (64,)}
    before = 64
    for stage, (filters, blocks) in enumerate(STAGES, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1"] = (filters, before, 3, 3)
            shapes[f"{name}.conv2"] = (filters, filters, 3, 3)
            shapes[f"{name}.bn1"] = shapes[f"{name}.bn2"] = (filters,)
            if before != filters:
                shapes[f"{name}.downsample.0"] = (filters, before, 1, 1)
                shapes[f"{name}.downsample.1"] = (filters,)
            before = filters
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            scale = np.sqrt(2 / np.prod(shape[1:]))
            arrays[f"{name}.weight"] = rng.normal(0, scale, shape).astype(np.float32)
        else:
            for part in NORM:
                arrays[f"{name}.{part}"] = rng.uniform(0.5, 1, shape).astype(np.float32)
    arrays["fc.weight"] = np.zeros((1000, 512), np.float32)
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


def test_the_backbone_computes_what_pytorchs_would(
    weights: imagenet.Arrays, backbone: keras.Model
) -> None:
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


def source_of(content: bytes, serve: Serve, expected: str) -> tuple[ImageNet, list[str]]:
    """Serve a file; return it as a source, and a list that will have what was asked for."""
    requests: list[str] = []

    def answer(request: Request) -> None:
        requests.append(request.path)
        send(request, content, {"Content-Length": len(content)})

    return ImageNet(url=serve(answer), sha256=expected), requests


def test_weights_are_fetched_once_and_checked(
    weights: imagenet.Arrays, serve: Serve, tmp_path: Path
) -> None:
    content = save(weights)
    source, requests = source_of(content, serve, sha256(content))
    fetched = imagenet.fetch(source, tmp_path)
    assert fetched.keys() == weights.keys()
    np.testing.assert_array_equal(fetched["conv1.weight"], weights["conv1.weight"])
    assert imagenet.fetch(source, tmp_path).keys() == weights.keys()  # from the folder
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("content", "expected", "complaint"),
    [
        (b"\x80\x05pickled", sha256(b"\x80\x05pickled"), "is not a safetensors file"),
        (b"other", "0" * 64, "cannot be had: .*hash"),
    ],
)
def test_other_files_are_refused(
    serve: Serve, tmp_path: Path, content: bytes, expected: str, complaint: str
) -> None:
    with pytest.raises(PipelineError, match=f"(?s){complaint}"):
        imagenet.fetch(source_of(content, serve, expected)[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_given_up(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagenet, "LARGEST", 1000)
    with pytest.raises(PipelineError, match="expected at most 1,000 bytes"):
        imagenet.fetch(source_of(bytes(5000), serve, sha256(b""))[0], tmp_path)


def test_without_a_network_or_the_extra_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ImageNet(url="http://127.0.0.1:1/model", sha256=sha256(b""))
    with pytest.raises(PipelineError, match=r"cannot be had: .*letters needs no network"):
        imagenet.fetch(source, tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(PipelineError, match="needs the package safetensors: pip install"):
        imagenet.fetch(source, tmp_path)
