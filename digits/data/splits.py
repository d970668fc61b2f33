"""Which image belongs to which set: data/split.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.errors import PipelineError

COLUMNS = ["id", "label", "train", "dev", "test"]
TYPES = {"id": np.int64, "label": np.uint8, "train": np.uint8, "dev": np.uint8, "test": np.uint8}
ROWS = 100_000  # that are read and checked together; bounds memory


def sets(table: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
    """Return the row numbers of every image set, ascending, by the set's name.

    Args:
        table: one row per image, with 0 or 1 in the columns train, dev and test.

    Returns:
        ``train``: what the networks learn from; ``dev``: what picks between settings;
        ``test_as_published``: all images drawn for testing, some of which may be in ``train``;
        ``test``: those of them that are not.
    """
    train, dev, drawn = (table[column].to_numpy() == 1 for column in ("train", "dev", "test"))
    members = {"train": train, "dev": dev, "test_as_published": drawn, "test": drawn & ~train}
    return {name: np.flatnonzero(member) for name, member in members.items()}


def read(path: Path) -> pd.DataFrame:
    """Read a split: columns id (0, 1, 2, ...), label (0 to 9), train, dev, test (0 or 1).

    Returns:
        The table; id is int64, the others are uint8.

    Raises:
        PipelineError: the file is not such a table, dev shares images with train or test, or a
            set is empty; the message says where.
        FileNotFoundError: there is no such file.
    """
    try:
        with pd.read_csv(path, chunksize=ROWS) as parts:
            checked = [_checked(path, part, ROWS * number) for number, part in enumerate(parts)]
        table = pd.concat(checked, ignore_index=True)
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of comma-separated values: {error}") from None
    for name, rows in sets(table).items():
        if not len(rows):
            raise PipelineError(f"{path}: no image is in {name}")
    return table


def _checked(path: Path, part: pd.DataFrame, first: int) -> pd.DataFrame:
    """Return some rows of a split as numbers; ``first`` says which, from 0.

    Raises:
        PipelineError: a line breaks a rule.
    """
    if list(part.columns) != COLUMNS:
        raise PipelineError(f"{path}: expected columns {COLUMNS}, found {list(part.columns)}")
    table: pd.DataFrame = part.apply(pd.to_numeric, errors="coerce")
    train, dev, test = (table[name] for name in ("train", "dev", "test"))
    rules = {
        "the ids must be 0, 1, 2, ...": table["id"] == np.arange(first, first + len(table)),
        "label must be 0 to 9": table["label"].isin(range(10)),
        "train, dev and test must be 0 or 1": table[["train", "dev", "test"]]
        .isin([0, 1])
        .all(axis=1),
        "an image in dev must be in no other set": dev + np.maximum(train, test) < 2,
    }
    for rule, kept in rules.items():
        if not kept.all():
            raise PipelineError(f"{path}, line {first + int(np.argmin(kept)) + 2}: {rule}")
    return table.astype(TYPES)
