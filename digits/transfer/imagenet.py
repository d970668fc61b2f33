"""The body of ResNet-34 as others trained it on ImageNet, from a safetensors file.

The file holds no code, only arrays under PyTorch's names; each must be there with its shape.
"""

import math
from pathlib import Path

import keras
import numpy as np
import pooch
import requests
from numpy.typing import NDArray
from tqdm import tqdm

from digits.config import ImageNet
from digits.errors import PipelineError

TIMEOUT = 30  # seconds without an answer or a byte
LARGEST = 2**28  # bytes; ResNet-34 has 87 million

Arrays = dict[str, NDArray[np.float32]]


def fetch(source: ImageNet, folder: Path) -> Arrays:
    """Download the file into ``folder``, unless it is there already from that URL, and read it.

    Raises PipelineError if safetensors is not installed, or the file cannot be had or is another
    one.
    """
    try:
        from safetensors.numpy import load_file  # an optional extra
    except ModuleNotFoundError:
        raise PipelineError(
            "pretrained: imagenet needs the package safetensors: "
            "pip install safetensors; or take pretrained: letters, which needs no network"
        ) from None
    try:
        known = f"sha256:{source.sha256}" if source.sha256 else None
        path = pooch.retrieve(source.url, known, None, folder, downloader=_download)
    except (OSError, ValueError) as error:  # requests' own errors are OSErrors
        raise PipelineError(
            f"{source.url} (imagenet.url in params.yaml) cannot be had: {error}; "
            "pretrained: letters needs no network"
        ) from None
    try:
        arrays: Arrays = load_file(path)
    except Exception as error:  # safetensors raises its own, without a common base
        Path(path).unlink()
        raise PipelineError(f"{source.url} is not a safetensors file: {error}") from None
    return arrays


def _download(url: str, target: str, _: object) -> None:
    """Save what ``url`` answers, up to `LARGEST` bytes."""
    with requests.get(url, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        bar = tqdm(desc="ImageNet weights", unit="B", unit_scale=True, disable=None)
        with Path(target).open("wb") as file, bar:
            for chunk in response.iter_content(2**18):
                bar.update(file.write(chunk))
                if file.tell() > LARGEST:
                    raise ValueError(f"expected at most {LARGEST:,} bytes, got more")


def load_backbone(backbone: keras.Model, arrays: Arrays) -> None:
    """Give a ResNet-34's backbone the weights of ``arrays``.

    The stem takes one grey channel where the file's takes red, green and blue: its kernels are
    their sum, which is what a grey picture sees. Raises PipelineError if an array is missing, of
    another shape, or not finite.
    """
    for layer in (layer for layer in backbone.layers if layer.weights):
        conv, norm = _pytorch_names(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
            values = [_array(arrays, f"{norm}.{part}") for part in parts]
        else:
            kernel = _array(arrays, f"{conv}.weight")
            if kernel.ndim == 4:
                kernel = kernel.transpose(2, 3, 1, 0)
            if layer.name == "stem_conv" and kernel.shape[2:3] == (3,):
                kernel = kernel.sum(axis=2, keepdims=True)
            values = [kernel]
        for value, variable in zip(values, layer.weights, strict=True):
            if value.shape != tuple(variable.shape):
                raise PipelineError(
                    f"{layer.name}: expected {math.prod(variable.shape):,} weights of shape "
                    f"{tuple(variable.shape)}, the file has {value.shape}: no ResNet-34"
                )
        layer.set_weights(values)


def _pytorch_names(name: str) -> tuple[str, str]:
    """Return the names of a convolution and the BatchNorm after it for one of our layers."""
    place, _, _ = name.rpartition("_")  # without conv or norm
    if place == "stem":
        return "conv1", "bn1"
    group, block, part = place.split("_")
    prefix = f"layer{group.removeprefix('group')}.{int(block.removeprefix('block')) - 1}"
    if part == "shortcut":
        return f"{prefix}.downsample.0", f"{prefix}.downsample.1"
    return f"{prefix}.conv{part}", f"{prefix}.bn{part}"


def _array(arrays: Arrays, name: str) -> NDArray[np.float32]:
    if name not in arrays:
        raise PipelineError(f"the weights for ImageNet have no {name}: no ResNet-34 of PyTorch")
    if not np.isfinite(arrays[name]).all():
        raise PipelineError(f"the weights for ImageNet hold NaN or infinity in {name}")
    return arrays[name]
