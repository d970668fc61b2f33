"""Kaggle's digit-recognizer competition: ``python -m app.kaggle test.csv submission.csv``."""

import argparse
from pathlib import Path

import pandas as pd

from app.classifier import HELP, MODEL, Classifier
from digits.data import kaggle
from digits.errors import PipelineError, run_stage
from digits.io import write_csv

IMAGES = 28_000  # in Kaggle's test.csv


def main() -> None:
    """Write the submission: ImageId, from 1, and Label."""
    parser = argparse.ArgumentParser(
        prog="python -m app.kaggle",
        description="Classify the images in the test.csv of Kaggle's digit-recognizer competition "
        "with the exported network, and write the submission.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="test.csv")
    parser.add_argument("target", type=Path, help="the submission, a CSV file")
    parser.add_argument("--model", type=Path, default=MODEL, help=HELP)
    arguments = parser.parse_args()
    classifier = Classifier(arguments.model)
    labels = [
        int(classifier.probabilities(row.reshape(28, 28)).argmax())
        for rows in kaggle.read(arguments.source, kaggle.TEST_COLUMNS)
        for row in rows
    ]
    if len(labels) != IMAGES:
        raise PipelineError(
            f"{arguments.source}: expected {IMAGES:,} images, found {len(labels):,}; "
            "Kaggle takes no submission of another length"
        )
    submission = pd.DataFrame({"ImageId": range(1, IMAGES + 1), "Label": labels})
    write_csv(arguments.target, submission)
    print(f"{arguments.target}: {IMAGES:,} images classified")


if __name__ == "__main__":
    run_stage("kaggle", main)
