"""Kaggle's digit-recognizer competition: ``python -m app.kaggle test.csv submission.csv``."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from app.classifier import MODEL, Classifier
from digits.data import kaggle
from digits.errors import PipelineError, run_stage
from digits.io import write_csv

IMAGES = 28_000  # in Kaggle's test.csv


def main() -> None:
    """Write the submission."""
    parser = argparse.ArgumentParser(
        prog="python -m app.kaggle",
        description="Classify the images in the test.csv of Kaggle's digit-recognizer competition "
        "with the exported network, and write the submission.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="test.csv")
    parser.add_argument("target", type=Path, help="the submission, a CSV file")
    parser.add_argument("--model", type=Path, default=MODEL, help="a .tflite of the export stage")
    arguments = parser.parse_args()
    submission = classify(arguments.source, arguments.model)
    write_csv(arguments.target, submission)
    print(f"{arguments.target}: {len(submission):,} images classified")


def classify(source: Path, model: Path) -> pd.DataFrame:
    """Return the submission for a test.csv: ImageId, from 1, and Label.

    Raises:
        PipelineError: the file or the network is not what it should be.
    """
    classifier = Classifier(model)
    labels = [
        int(classifier.probabilities(row.reshape(28, 28)).argmax())
        for rows in kaggle.read(source, kaggle.TEST_COLUMNS)
        for row in rows
    ]
    if len(labels) != IMAGES:
        raise PipelineError(
            f"{source}: expected {IMAGES:,} images, found {len(labels):,}; "
            "Kaggle takes no submission of another length"
        )
    return pd.DataFrame({"ImageId": np.arange(1, len(labels) + 1), "Label": labels})


if __name__ == "__main__":
    run_stage("kaggle", main)
