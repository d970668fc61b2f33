"""Which image belongs to which set: data/split.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.errors import PipelineError

COLUMNS = ["id", "label", "train", "dev", "test"]


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
    """Read a split: columns id (0, 1, 2, ...), label (0 to 9), train, dev, test (0 or 1); int64.

    Raises:
        PipelineError: the file is not such a table, dev shares images with train or test, or a
            set is empty; the message says where.
        FileNotFoundError: there is no such file.
    """
    try:
        content = pd.read_csv(path, low_memory=False)  # one type for all of a column
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of comma-separated values: {error}") from None
    if list(content.columns) != COLUMNS:
        raise PipelineError(f"{path}: expected columns {COLUMNS}, found {list(content.columns)}")
    table: pd.DataFrame = content.apply(pd.to_numeric, errors="coerce")
    train, dev, test = (table[name] for name in ("train", "dev", "test"))
    flags = table[["train", "dev", "test"]].isin([0, 1]).all(axis=1)
    _require(path, table["id"] == np.arange(len(table)), "the ids must be 0, 1, 2, ...")
    _require(path, table["label"].isin(range(10)), "label must be 0 to 9")
    _require(path, flags, "train, dev and test must be 0 or 1")
    _require(path, dev + np.maximum(train, test) < 2, "an image in dev must be in no other set")
    for name, rows in sets(table).items():
        if not len(rows):
            raise PipelineError(f"{path}: no image is in {name}")
    return table.astype(np.int64)


def _require(path: Path, kept: "pd.Series[bool]", rule: str) -> None:
    """Name the first line that breaks the rule, if any does."""
    if not kept.all():
        raise PipelineError(f"{path}, line {int(np.argmin(kept)) + 2}: {rule}")
