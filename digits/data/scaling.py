"""Scaling pixels by the mean and the standard deviation of the training images."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import Dataset, Images
from digits.errors import PipelineError
from digits.io import replacing

BLOCK = 1024  # images that are scaled together


def mean_and_std(images: Iterable[NDArray[np.uint8]]) -> tuple[float, float]:
    """Return the mean and the (population) standard deviation of all pixels, in grey levels.

    Sums are exact integers, so the result depends neither on the order nor on the machine. Raises
    PipelineError if all pixels are the same.
    """
    histogram = np.zeros(256, np.int64)
    for image in images:
        histogram += np.bincount(image.ravel(), minlength=256)
    levels = list(enumerate(histogram.tolist()))
    count = sum(pixels for _, pixels in levels)
    total = sum(level * pixels for level, pixels in levels)
    squares = sum(level**2 * pixels for level, pixels in levels)
    variance = (count * squares - total**2) / count**2
    if variance == 0:
        raise PipelineError(
            f"every pixel of the images in train is {total // count}: no standard deviation"
        )
    return total / count, math.sqrt(variance)


def standardize(images: Images, rows: dict[str, NDArray[np.int64]]) -> Dataset:
    """Return the images that are in any set, scaled by mean and std of those in ``train``.

    ``rows`` are row numbers by set; in the result they are those of its own, fewer images.
    """
    mean, std = mean_and_std(images.pixels[row] for row in rows["train"])
    kept = np.unique(np.concatenate(list(rows.values())))
    places = {name: np.searchsorted(kept, members) for name, members in rows.items()}
    scaled = _scaled(mean, std)[images.pixels[kept]]
    return Dataset(scaled, images.labels[kept], mean, std, places)


def write(path: Path, pixels: NDArray[np.uint8], mean: float, std: float) -> None:
    """Write (pixel - mean) / std as .npy, float32, in the shape of ``pixels``."""
    scaled = _scaled(mean, std)
    header = {"descr": "<f4", "fortran_order": False, "shape": pixels.shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(pixels), BLOCK):
            file.write(scaled[pixels[start : start + BLOCK]].tobytes())


def _scaled(mean: float, std: float) -> NDArray[np.float32]:
    """Return what each grey level becomes: rounded once, from float64, so alike everywhere."""
    return ((np.arange(256) - mean) / std).astype("<f4")
