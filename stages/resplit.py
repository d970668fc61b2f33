"""Decide which images are for training, dev and test.

Reads data/png. Writes data/split.csv (id, label, train, dev, test; one row per image) and
metrics/resplit.json (how many images each set has, of every class, and how many are in both train
and test).
"""

from pathlib import Path

from digits import config
from digits.data import png_archive, splits
from digits.errors import PipelineError, run_stage
from digits.io import write_csv, write_json


def main() -> None:
    """Draw the split and count it."""
    split = config.load().split
    if not split.dev:
        raise PipelineError("params.yaml: split.dev: expected images to watch, given 0")
    images = png_archive.read(Path("data/png"), pixels=False)
    table = splits.divide(images.labels, images.sources, split)
    write_csv(Path("data/split.csv"), table)
    write_json(Path("metrics/resplit.json"), splits.count(table))


if __name__ == "__main__":
    run_stage("resplit", main)
