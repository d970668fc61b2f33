"""Reading the CSV files of Kaggle's digit-recognizer competition.

One image a row, its 784 grey levels in the columns pixel0 to pixel783, row by row; train.csv has
the label before them, test.csv has none. Kaggle gives them to those who log in.
"""

import csv
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from digits.errors import PipelineError

Bytes = NDArray[np.uint8]

SOURCE = "https://www.kaggle.com/competitions/digit-recognizer/data"
TEST_COLUMNS = [f"pixel{number}" for number in range(28 * 28)]
TRAIN_COLUMNS = ["label", *TEST_COLUMNS]
MOST_BYTES = 2**30  # twenty times Kaggle's own test.csv
ROWS = 1000  # in memory at a time


def read_training(path: Path, name: str, sha256: str | None) -> tuple[Bytes, Bytes]:
    """Read images, uint8 (n, 28, 28), 0 (paper) to 255 (ink), and labels, uint8 (n,), of train.csv.

    ``name`` is that of the data set in params.yaml, ``sha256`` the file's, as params.yaml has it.
    Raises PipelineError if there is no such file, or it is another one.
    """
    rows = np.concatenate(list(read(path, TRAIN_COLUMNS)))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise PipelineError(
            f"{path} has the SHA-256 {found}, datasets.{name}.sha256 is {sha256 or 'null'}; if it "
            "is the file you mean, set that to this, by which DVC will notice any other"
        )
    return rows[:, 1:].reshape(-1, 28, 28), rows[:, 0]


def read(path: Path, columns: list[str]) -> Iterator[Bytes]:
    """Yield the rows of one of Kaggle's files, some at a time, uint8 (n, columns).

    ``columns`` are what the header must be; ``label`` holds 0 to 9, the others 0 to 255. Raises
    PipelineError if it is missing or another file, with the image, what was expected and found.
    """
    if not path.is_file():
        raise PipelineError(
            f"there is no file {path}; log in to Kaggle, download it from {SOURCE} and put it there"
        )
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise PipelineError(f"{path}: expected at most {MOST_BYTES:,} bytes, found {size:,}")
    done = 0
    try:
        with pd.read_csv(
            path, chunksize=ROWS, encoding_errors="replace", quoting=csv.QUOTE_NONE
        ) as chunks:
            # Shown in a terminal only.
            bar = tqdm(chunks, path.name, unit_scale=ROWS, unit="row", leave=False, disable=None)
            for chunk in bar:
                yield _checked(path, chunk, columns, done)
                done += len(chunk)
    except ValueError as error:  # pandas's own are
        raise PipelineError(f"{path}: {' '.join(str(error).split())}") from None
    if not done:
        raise PipelineError(f"{path}: expected rows of images, found none")


def _checked(path: Path, chunk: pd.DataFrame, columns: list[str], above: int) -> Bytes:
    """Return the numbers of some rows, of which ``above`` came before."""
    for number, (name, expected) in enumerate(itertools.zip_longest(chunk, columns), 1):
        if name != expected:
            raise PipelineError(
                f"{path}: column {number}: expected {expected or 'none'}, found {name!r:.20}"
            )
    if not isinstance(chunk.index, pd.RangeIndex):  # pandas takes what is before them as names
        raise PipelineError(f"{path}: expected {len(columns)} values a row, found more")
    numbers: NDArray[np.float64] = chunk.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    most = np.array([9 if column == "label" else 255 for column in columns])
    wrong = np.argwhere(~((numbers >= 0) & (numbers <= most) & (numbers % 1 == 0)))
    for row, column in wrong[:1]:
        raise PipelineError(
            f"{path}: image {above + row + 1}, {columns[column]}: expected a whole number from 0 "
            f"to {most[column]}, found {str(chunk.iat[row, column])!r:.40}"
        )
    return numbers.astype(np.uint8)
