"""Train by a chosen recipe on all training images, and read the test images.

Writes studies/accuracy/runs/<recipe>-<seed>.npz: log_probabilities, float16 (10000, 10), the
natural logarithm of what the network gives each digit, in the order of MNIST's testing images.
"""

import argparse
from pathlib import Path

import numpy as np

from digits.errors import PipelineError, run_stage
from digits.evaluation.statistics import SMALLEST_PROBABILITY
from digits.io import replacing
from studies.accuracy import recipes

RUNS = Path("studies/accuracy/runs")


def main() -> None:
    """Train by the recipe named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.accuracy.run", description=__doc__)
    parser.add_argument("recipe", help="one of those chosen in studies/accuracy/params.yaml")
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    study = recipes.load()
    name = arguments.recipe
    if name not in study.chosen.values():
        raise PipelineError(
            f"{recipes.PATH}: {name} is not chosen, and so does not read the test images; chosen: "
            f"{', '.join(study.chosen.values())}"
        )
    _, readings, labels, state = recipes.train_and_read(
        study, name, arguments.seed, 0, [study.shifts(name)]
    )
    probabilities = readings[0]
    logarithms = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)).astype(np.float16)
    path = RUNS / f"{name}-{arguments.seed}.npz"
    with replacing(path) as temporary:
        np.savez_compressed(temporary, log_probabilities=logarithms)
    state.unlink()
    right = (probabilities.argmax(axis=1) == labels).mean()
    print(f"wrote {path}: {right:.2%} of {len(labels):,} test images")


if __name__ == "__main__":
    run_stage("accuracy", main)
