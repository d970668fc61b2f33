"""The standardized images and their sets, as training and evaluation use them."""

import functools
import hashlib
import math
import tokenize
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data import splits
from digits.errors import PipelineError
from digits.io import read_json

BLOCK = 8192  # images that are hashed at a time; bounds memory


@dataclass(frozen=True)
class Images:
    """All images of a data set as they are; row number and id are the same.

    ``pixels``: uint8 (n, 28, 28), 0 (black) to 255; ``labels``: uint8 (n,), 0 to 9; ``sources``:
    uint8 (n,), 0 for the data set's own training images, 1 for its testing images.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    sources: NDArray[np.uint8]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all there is."""
        digest = hashlib.sha256()
        for array in (self.pixels, self.labels, self.sources):
            digest.update(array.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """All images with what is known about them; row number and id are the same.

    ``images``: float32 (n, 28, 28), (pixel - mean) / std, which `load` maps from disk; ``labels``:
    uint8 (n,), 0 to 9; ``mean`` and ``std``, above 0, of the training pixels, in grey levels from 0
    to 255; ``rows``: int64 row numbers by set: train, dev, test, test_as_published (`splits.sets`).
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    mean: float
    std: float
    rows: dict[str, NDArray[np.int64]]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of what a training sees: the images and labels of train and dev, the scale."""
        digest = hashlib.sha256(repr((self.mean, self.std)).encode())
        for name in ("train", "dev"):
            for start in range(0, len(self.rows[name]), BLOCK):
                rows = self.rows[name][start : start + BLOCK]
                digest.update(self.labels[rows].tobytes() + self.images[rows].tobytes())
            digest.update(name.encode())
        return digest.hexdigest()


def load(standardized: Path, split: Path) -> Dataset:
    """Open what the standardize and resplit stages wrote: a folder, and the table of sets.

    Raises PipelineError if a file does not hold what it should, or the two differ in number.
    """
    table = splits.read(split)
    path, shape = standardized / "images.npy", (len(table), 28, 28)
    try:
        images: NDArray[np.float32] = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise PipelineError(f"{path} is not a whole .npy file: {error}") from None
    if images.dtype != np.float32 or images.shape != shape:
        raise PipelineError(
            f"{path}: expected float32 {shape}, as many images as in the split, "
            f"found {images.dtype} {images.shape}"
        )
    mean, std = statistics(standardized / "statistics.json")
    labels = table["label"].to_numpy(np.uint8)
    return Dataset(images, labels, mean, std, splits.sets(table))


def statistics(path: Path) -> tuple[float, float]:
    """Read the training pixels' mean and standard deviation, in grey levels.

    Raises PipelineError if they are no finite numbers, or the latter is not above 0.
    """
    try:
        content = read_json(path)
        mean, std = float(content["mean"]), float(content["deviation"])
    except (ValueError, TypeError, KeyError):
        raise PipelineError(f"{path}: expected numbers named mean and deviation") from None
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise PipelineError(
            f"{path}: expected a finite mean and a deviation above 0, found {mean} and {std}"
        )
    return mean, std
