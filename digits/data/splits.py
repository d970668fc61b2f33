"""Which image belongs to which set: data/split.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.config import Split
from digits.errors import PipelineError
from digits.io import read_csv

TYPES = {"id": np.int64, "label": np.uint8, "train": np.uint8, "dev": np.uint8, "test": np.uint8}


def divide(labels: NDArray[np.uint8], sources: NDArray[np.uint8], split: Split) -> pd.DataFrame:
    """Put all images into one queue; training takes from its front, testing from its end.

    Where the two meet they share images, as they must when both sizes add up to more than there
    are. Dev is the very front of the training images and leaves them. The draw is alike on every
    machine.

    ``labels`` are (n,), 0 to 9; ``sources`` (n,), 0 for the data set's own training images, 1 for
    its testing images. The result is as `read` describes it. Raises PipelineError if the sizes are
    impossible with n images.
    """
    if split.scheme == "official":
        training, testing = np.flatnonzero(sources == 0), np.flatnonzero(sources == 1)
        queue = np.concatenate([training[shuffle(labels[training], split.seed)], testing])
        train, test = len(training), len(testing)
    else:
        queue = shuffle(labels, split.seed)
        train, test = _size(split.train, len(queue)), _size(split.test, len(queue))
    dev = _size(split.dev, train)
    _check(train, dev, test, len(queue))

    members = {"train": queue[dev:train], "dev": queue[:dev], "test": queue[len(queue) - test :]}
    table = pd.DataFrame({"id": np.arange(len(labels)), "label": labels})
    for name, rows in members.items():
        table[name] = np.isin(table["id"], rows)
    return table.astype(TYPES)


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


def _size(size: float, whole: int) -> int:
    """Turn a size, a count or a fraction of the whole, into a count."""
    return round(size * whole) if size < 1 else int(size)


def _check(train: int, dev: int, test: int, images: int) -> None:
    """Refuse sizes that leave a set empty or mix dev with test."""
    given = f"split: train {train}, dev {dev} of these, and test {test}, out of {images} images"
    if max(train, test) > images:
        raise PipelineError(f"{given}: there are not so many; fractions fit any number of images")
    if min(train, test) < 1:
        raise PipelineError(f"{given}: each needs at least 1")
    if train == images:
        raise PipelineError(f"{given}: {images} - {train} leaves no image never trained on to test")
    if dev >= train:
        raise PipelineError(f"{given}: {train} - {dev} leaves nothing to train on")
    if dev > images - test:
        raise PipelineError(
            f"{given}: dev must avoid test, which leaves {images} - {test} = {images - test} for it"
        )


def count(table: pd.DataFrame) -> dict[str, object]:
    """Count the images of every set, by class too, and those in both train and test."""
    members = sets(table)
    return {
        "images": {
            "all": len(table),
            **{name: len(rows) for name, rows in members.items()},
            "train_and_test": len(members["test_as_published"]) - len(members["test"]),
        },
        "classes": {
            name: np.bincount(table["label"].iloc[rows], minlength=10).tolist()
            for name, rows in members.items()
        },
    }


def sets(table: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Return the row numbers of every image set, ascending, by the set's name.

    ``train`` is what the networks learn from, ``dev`` what picks between settings,
    ``test_as_published`` all images drawn for testing, some of which may be in ``train``, and
    ``test`` those of them that are not. ``table`` has a row per image, with 0 or 1 in the columns
    train, dev and test.
    """
    train, dev, drawn = (table[column].to_numpy() == 1 for column in ("train", "dev", "test"))
    members = {"train": train, "dev": dev, "test_as_published": drawn, "test": drawn & ~train}
    return {name: np.flatnonzero(member) for name, member in members.items()}


def read(path: Path) -> pd.DataFrame:
    """Read a split: columns id (0, 1, 2, ...), label (0 to 9), train, dev, test (0 or 1).

    The id is int64, the others are uint8. Raises PipelineError, which says where, if the file is no
    such table, dev shares images with train or test, or a set is empty.
    """
    table = read_csv(path, list(TYPES))
    train, dev, test = (table[name] for name in ("train", "dev", "test"))
    rules = {
        "the ids must be 0, 1, 2, ...": table["id"] == np.arange(len(table)),
        "label must be 0 to 9": table["label"].isin(range(10)),
        "train, dev and test must be 0 or 1": table.iloc[:, 2:].isin([0, 1]).all(axis=1),
        "an image in dev must be in no other set": dev + np.maximum(train, test) < 2,
    }
    for rule, kept in rules.items():
        if not kept.all():
            raise PipelineError(f"{path}, line {int(np.argmin(kept)) + 2}: {rule}")
    for name, rows in sets(table).items():
        if not len(rows):
            raise PipelineError(f"{path}: no image is in {name}")
    checked: pd.DataFrame = table.astype(TYPES)
    return checked
