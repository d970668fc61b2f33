"""Kaggle's digit-recognizer competition: ``python -m app.kaggle test.csv submission.csv``.

Its test.csv has one image a row, 784 grey levels in the columns pixel0 to pixel783; its train.csv
has the label before them (https://www.kaggle.com/competitions/digit-recognizer/data).
"""

import argparse
import hashlib
import sys
import textwrap
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from app.classifier import MODEL, Classifier
from digits import idx
from digits.errors import PipelineError
from digits.files import write_csv

PIXELS = [f"pixel{number}" for number in range(28 * 28)]
ROWS = 1000  # in memory at a time
NAMES = {  # of the files of a data set: in params.yaml, and MNIST's
    "training_images": "train-images-idx3-ubyte.gz",
    "training_labels": "train-labels-idx1-ubyte.gz",
    "testing_images": "t10k-images-idx3-ubyte.gz",
    "testing_labels": "t10k-labels-idx1-ubyte.gz",
}


def read(path: Path, columns: list[str]) -> Iterator[NDArray[np.uint8]]:
    """Yield the rows of one of Kaggle's files, some at a time, uint8 (n, columns).

    Args:
        path: a CSV file with a header, in ASCII.
        columns: what the header must be; ``label`` holds 0 to 9, the others 0 to 255.

    Raises:
        PipelineError: it is another file; says in which line, what was expected and what found.
    """
    with (
        path.open(encoding="ascii", errors="replace", newline="") as file,
        tqdm(desc=path.name, total=path.stat().st_size, unit="B", unit_scale=True) as bar,
    ):
        header = file.readline().strip().split(",")
        if header != columns:
            raise PipelineError(
                f"{path}: line 1: expected the {len(columns)} columns {columns[0]} to "
                f"{columns[-1]}, found {len(header)}, {header[0]!r:.20} to {header[-1]!r:.20}"
            )
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


def classify(source: Path, model: Path) -> pd.DataFrame:
    """Return the submission for a test.csv: ImageId, from 1, and Label.

    The float32 form of the network reads the images: there is no hurry.

    Raises:
        PipelineError: the file or the network is not what it should be.
    """
    classifier = Classifier(model, "float32")
    labels = [
        int(classifier.probabilities(row.reshape(28, 28)).argmax())
        for rows in read(source, PIXELS)
        for row in rows
    ]
    return pd.DataFrame({"ImageId": np.arange(1, len(labels) + 1), "Label": labels})


def convert(source: Path, folder: Path) -> str:
    """Write a train.csv as a data set of four IDX files; the last seventh is for testing.

    Which part an image is in matters only to the split ``official``: Kaggle keeps the labels of its
    own test images to itself.

    Returns:
        The data set's entry for params.yaml.

    Raises:
        PipelineError: the file is not what it should be.
    """
    rows = np.concatenate(list(read(source, ["label", *PIXELS])))
    if len(rows) < 2:
        raise PipelineError(f"{source}: expected at least 2 rows, for training and testing")
    training, testing = np.split(rows, [len(rows) - max(1, len(rows) // 7)])
    for part, some in (("training", training), ("testing", testing)):
        idx.write(folder / NAMES[f"{part}_images"], some[:, 1:].reshape(-1, 28, 28))
        idx.write(folder / NAMES[f"{part}_labels"], some[:, 0])
    files = {}
    for kind, name in NAMES.items():
        content = (folder / name).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        files[kind] = {"name": name, "bytes": len(content), "sha256": sha256}
    return textwrap.indent(yaml.safe_dump({"kaggle": {"files": files}}, sort_keys=False), "  ")


def main() -> None:
    """Write a submission, or with ``--idx`` a data set."""
    parser = argparse.ArgumentParser(
        prog="python -m app.kaggle",
        description="Read the images of Kaggle's digit-recognizer competition, and write the "
        "submission.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="test.csv")
    parser.add_argument("target", type=Path, help="the submission, a CSV file")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the export stage")
    parser.add_argument(
        "--idx",
        action="store_true",
        help="SOURCE is train.csv; write it to the folder TARGET as a data set for the pipeline",
    )
    arguments = parser.parse_args()
    try:
        if arguments.idx:
            entry = convert(arguments.source, arguments.target)
            print(f"Add this to datasets in params.yaml:\n\n{entry}\nand train on it:\n")
            print(f"  MNIST_MIRROR={arguments.target} dvc exp run --set-param dataset=kaggle \\")
            print("      --set-param split.train=0.8 --set-param split.test=0.2")
        else:
            submission = classify(arguments.source, arguments.model)
            write_csv(arguments.target, submission)
            print(f"{arguments.target}: {len(submission):,} images read")
    except (PipelineError, OSError) as error:
        sys.exit(f"kaggle: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parse(lines: list[str]) -> NDArray[np.uint8]:
    """Return the numbers in some lines, of any shape if they are not what they should be."""
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


if __name__ == "__main__":
    main()
