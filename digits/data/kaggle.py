"""Reading the CSV files of Kaggle's digit-recognizer competition.

One image a row, its 784 grey levels in the columns pixel0 to pixel783, row by row; train.csv has
the label before them, test.csv has none. Kaggle gives them to those who log in.
"""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
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
    """Read train.csv.

    Args:
        path: of the file.
        name: of the data set in params.yaml.
        sha256: of the file, as params.yaml has it.

    Returns:
        Images, uint8 (n, 28, 28), 0 (paper) to 255 (ink), and labels, uint8 (n,), 0 to 9.

    Raises:
        PipelineError: there is no such file, or it is another one than params.yaml says.
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

    Args:
        path: a CSV file with a header, any number of rows.
        columns: what the header must be; ``label`` holds 0 to 9, the others 0 to 255.

    Raises:
        PipelineError: it is missing or another file; names the line, what was expected and found.
    """
    if not path.is_file():
        raise PipelineError(
            f"there is no file {path}; log in to Kaggle, download it from {SOURCE} and put it there"
        )
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise PipelineError(f"{path}: expected at most {MOST_BYTES:,} bytes, found {size:,}")
    with (
        path.open(encoding="ascii", errors="replace", newline="") as file,
        tqdm(
            desc=path.name,
            total=size,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,  # where standard error is no terminal
        ) as bar,
    ):
        header = file.readline()
        _check_header(path, header.strip().split(","), columns)
        bar.update(len(header))
        above = 1
        while lines := list(islice(file, ROWS)):
            rows = _parse(lines)
            sound = rows.shape == (len(lines), len(columns))
            if not sound or (columns[0] == "label" and rows[:, 0].max() > 9):
                raise _defect(path, lines, columns, above)
            yield rows
            above += len(lines)
            bar.update(sum(map(len, lines)))
        if above == 1:
            raise PipelineError(f"{path}: expected rows of images, found none")


def _check_header(path: Path, found: list[str], columns: list[str]) -> None:
    if len(found) != len(columns):
        raise PipelineError(
            f"{path}: line 1: expected the {len(columns)} columns {columns[0]} to {columns[-1]}, "
            f"found {len(found)}, {found[0]!r:.20} to {found[-1]!r:.20}"
        )
    for number, (name, expected) in enumerate(zip(found, columns, strict=True), 1):
        if name != expected:
            raise PipelineError(
                f"{path}: line 1, column {number}: expected {expected}, found {name!r:.20}"
            )


def _parse(lines: list[str]) -> Bytes:
    """Return the numbers in some lines; of another shape if any is not what it should be."""
    if not lines[0].strip():
        return np.empty((0, 0), np.uint8)  # NumPy would warn if no line had numbers
    try:
        return np.loadtxt(lines, np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return np.empty((0, 0), np.uint8)


def _defect(path: Path, lines: list[str], columns: list[str], above: int) -> PipelineError:
    """Find what is wrong in one of the lines after the first ``above``."""
    for number, line in enumerate(lines, above + 1):
        values = line.strip().split(",")
        if len(values) != len(columns):
            return PipelineError(
                f"{path}: line {number}: expected {len(columns)} values, found {len(values)}"
            )
        for column, value in zip(columns, values, strict=True):
            most = 9 if column == "label" else 255
            if not value.strip().isdecimal() or int(value) > most:
                return PipelineError(
                    f"{path}: line {number}, {column}: expected a whole number from 0 to {most}, "
                    f"found {value!r:.40}"
                )
    return PipelineError(f"{path}: lines {above + 1} to {above + len(lines)} make no sense")
