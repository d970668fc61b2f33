"""Decide which images are for training, dev and test.

Reads data/png. Writes data/split.csv (id, label, train, dev, test; one row per image) and
metrics/resplit.json (how many images each set has, of every class, and how many are in both train
and test).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits import config
from digits.data import splits
from digits.data.png_archive import Archive
from digits.errors import PipelineError, run_stage
from digits.io import write_csv, write_json

PNG = Path("data/png")
SPLIT = Path("data/split.csv")
METRICS = Path("metrics/resplit.json")


def divide(
    labels: NDArray[np.uint8], sources: NDArray[np.uint8], split: config.Split, seed: int
) -> pd.DataFrame:
    """Put all images into one queue; training takes from its front, testing from its end.

    Where the two meet they share images, as they must when both sizes add up to more than there
    are. Dev is the very front of the training images and leaves them.

    Args:
        labels: (n,), 0 to 9.
        sources: (n,), 0 for the data set's own training images, 1 for its testing images.
        split: the scheme and the sizes.
        seed: decides the draw; the same on every machine.

    Returns:
        Columns id, label, train, dev, test as `digits.data.splits.read` describes them.

    Raises:
        PipelineError: the sizes are impossible with n images.
    """
    if split.scheme == "official":
        training, testing = np.flatnonzero(sources == 0), np.flatnonzero(sources == 1)
        queue = np.concatenate([training[shuffle(labels[training], seed)], testing])
        train, test = len(training), len(testing)
    else:
        queue = shuffle(labels, seed)
        train, test = _count(split.train, len(queue)), _count(split.test, len(queue))
    dev = _count(split.dev, train)
    _check(train, dev, test, len(queue))

    members = {"train": queue[dev:train], "dev": queue[:dev], "test": queue[len(queue) - test :]}
    table = pd.DataFrame({"id": np.arange(len(labels)), "label": labels})
    for name, rows in members.items():
        member = np.zeros(len(labels), np.uint8)
        member[rows] = 1
        table[name] = member
    return table.astype(splits.TYPES)


def measure(table: pd.DataFrame) -> dict[str, object]:
    """Count the images of every set, by class too, and those in both train and test."""
    sets = splits.sets(table)
    return {
        "images": {
            "all": len(table),
            **{name: len(rows) for name, rows in sets.items()},
            "train_and_test": len(sets["test_as_published"]) - len(sets["test"]),
        },
        "classes": {
            name: np.bincount(table["label"].iloc[rows], minlength=10).tolist()
            for name, rows in sets.items()
        },
    }


def shuffle(labels: NDArray[np.uint8], seed: int) -> NDArray[np.int64]:
    """Return all row numbers at random, but with the classes spread evenly from front to end."""
    # Unlike default_rng's, RandomState's numbers are promised to stay as they are (NEP 19).
    rows = np.random.RandomState(seed).permutation(len(labels))
    label = labels[rows]
    place = np.empty(len(rows))
    for members in (label == one for one in np.unique(label)):
        count = np.count_nonzero(members)
        place[members] = (np.arange(count) + 0.5) / count
    return rows[np.lexsort((label, place))]


def _count(size: float, whole: int) -> int:
    """Turn a size, a count or a fraction of the whole, into a count."""
    return round(size * whole) if size < 1 else int(size)


def _check(train: int, dev: int, test: int, images: int) -> None:
    """Refuse sizes that leave a set empty or mix dev with test."""
    given = f"split: train {train}, dev {dev} of these, and test {test}, out of {images} images"
    if max(train, test) > images:
        raise PipelineError(f"{given}: there are not so many; fractions fit any number of images")
    if min(train, dev, test) < 1:
        raise PipelineError(f"{given}: each needs at least 1")
    if train == images:
        raise PipelineError(f"{given}: {images} - {train} leaves no image never trained on to test")
    if dev >= train:
        raise PipelineError(f"{given}: {train} - {dev} leaves nothing to train on")
    if dev > images - test:
        raise PipelineError(
            f"{given}: dev must avoid test, which leaves {images} - {test} = {images - test} for it"
        )


def main() -> None:
    """Draw the split and count it."""
    settings = config.load()
    with Archive(PNG / "training.zip", PNG / "testing.zip") as archive:
        labels, sources = archive.labels, archive.sources
    table = divide(labels, sources, settings.split, settings.seed)
    write_csv(SPLIT, table)
    write_json(METRICS, measure(table))


if __name__ == "__main__":
    run_stage("resplit", main)
