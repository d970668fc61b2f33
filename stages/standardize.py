"""Scale all pixels by the mean and the deviation of the training images.

Reads data/png and data/split.csv. Writes data/standardized/images.npy, float32 (n, 28, 28) in the
order of the ids: (pixel - mean) / deviation; and data/standardized/statistics.json: that mean and
deviation, in grey levels from 0 to 255, over all pixels of the images in train. Meanwhile a
temporary file in data/ holds the pixels, a byte each.
"""

import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.data import splits
from digits.data.png_archive import SIDE, Archive
from digits.errors import PipelineError, run_stage
from digits.io import replacing, write_json

PNG = Path("data/png")
SPLIT = Path("data/split.csv")
STANDARDIZED = Path("data/standardized")
BLOCK = 1024 * SIDE**2  # pixels that are scaled together


def mean_and_deviation(images: Iterable[NDArray[np.uint8]]) -> tuple[float, float]:
    """Return the mean and the (population) standard deviation of all pixels.

    Sums are exact integers, so the result depends neither on the order nor on the machine.

    Raises:
        PipelineError: all pixels are the same.
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
        raise PipelineError(f"every pixel of the images in train is {total // count}: no deviation")
    return total / count, math.sqrt(variance)


def copied(images: Iterable[NDArray[np.uint8]], file: IO[bytes]) -> Iterator[NDArray[np.uint8]]:
    """Yield images, and write their pixels into a file by the way, a byte each."""
    for image in images:
        file.write(image.tobytes())
        yield image


def write_scaled(path: Path, pixels: IO[bytes], count: int, mean: float, deviation: float) -> None:
    """Write ``count`` images as .npy, float32 (count, 28, 28): (pixel - mean) / deviation.

    Args:
        path: of the .npy file.
        pixels: a file of their pixels, a byte each, 0 (black) to 255; read from its start.
        count: of the images.
        mean: in grey levels.
        deviation: in grey levels.
    """
    # One rounding from float64 for each of the 256 grey levels: the same on every machine.
    scaled = ((np.arange(256) - mean) / deviation).astype("<f4")
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, SIDE, SIDE)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        pixels.seek(0)
        while block := pixels.read(BLOCK):
            file.write(scaled[np.frombuffer(block, np.uint8)].tobytes())


def main() -> None:
    """Read every PNG once, measuring those in train, then scale all pixels."""
    table = splits.read(SPLIT)
    with (
        Archive(PNG / "training.zip", PNG / "testing.zip") as archive,
        tempfile.TemporaryFile(dir=SPLIT.parent) as pixels,
    ):
        if not np.array_equal(archive.labels, table["label"]):
            raise PipelineError(
                f"{SPLIT} ({len(table)} images) and {PNG} ({len(archive)}) differ in number or in "
                "labels; `dvc repro resplit` draws the split anew"
            )
        with tqdm(range(len(archive)), desc="standardize", unit="image") as rows:
            images = copied(archive.images(rows), pixels)
            mean, deviation = mean_and_deviation(itertools.compress(images, table["train"]))
        write_scaled(STANDARDIZED / "images.npy", pixels, len(archive), mean, deviation)
    write_json(STANDARDIZED / "statistics.json", {"mean": mean, "deviation": deviation})
    print(f"{STANDARDIZED}: {len(table)} images, mean {mean:.4f}, deviation {deviation:.4f}")


if __name__ == "__main__":
    run_stage("standardize", main)
