"""Scale all pixels by the mean and the standard deviation of the training images.

Reads data/png and data/split.csv. Writes data/standardized/images.npy, float32 (n, 28, 28) in the
order of the ids: (pixel - mean) / deviation; and data/standardized/statistics.json: that mean and
(standard) deviation, in grey levels from 0 to 255, over all pixels of the images in train.
"""

from pathlib import Path

import numpy as np

from digits.data import png_archive, scaling, splits
from digits.errors import PipelineError, run_stage
from digits.io import write_json

PNG = Path("data/png")
SPLIT = Path("data/split.csv")
STANDARDIZED = Path("data/standardized")


def main() -> None:
    """Read every PNG, measure those in train, scale all."""
    table = splits.read(SPLIT)
    images = png_archive.read(PNG)
    pixels = images.pixels
    if not np.array_equal(images.labels, table["label"]):
        raise PipelineError(
            f"{SPLIT} ({len(table)} images) and {PNG} ({len(pixels)}) differ in number or in "
            "labels; `dvc repro resplit` draws the split anew"
        )
    mean, std = scaling.mean_and_std(pixels[row] for row in np.flatnonzero(table["train"]))
    scaling.write(STANDARDIZED / "images.npy", pixels, mean, std)
    write_json(STANDARDIZED / "statistics.json", {"mean": mean, "deviation": std})
    print(f"{STANDARDIZED}: {len(table)} images, mean {mean:.4f}, standard deviation {std:.4f}")


if __name__ == "__main__":
    run_stage("standardize", main)
