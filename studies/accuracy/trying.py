"""Train by one recipe without the dev images, and measure it on them.

Writes studies/accuracy/tried/<recipe>-<seed>.json: accuracy and loss on dev, under ``moved`` those
with each image read as it is and moved by a pixel, epochs, parameters, and the multiplications of
the whole training, in units of 10^12.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.errors import run_stage
from digits.evaluation import statistics
from digits.io import write_json
from studies.accuracy import recipes

TRIED = Path("studies/accuracy/tried")
TRAINING = 3  # times the work of reading: forward, and backward for activations and weights


def main() -> None:
    """Try the recipe named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.accuracy.trying", description=__doc__)
    parser.add_argument("recipe", help="one of studies/accuracy/params.yaml")
    parser.add_argument("seed", type=int)
    arguments = parser.parse_args()
    study = recipes.load()
    model, readings, labels, state = recipes.train_and_read(
        study, arguments.recipe, arguments.seed, study.dev, recipes.SHIFTS
    )
    epochs = sum(phase.epochs for phase in study.settings(arguments.recipe).plan)
    work = TRAINING * recipes.multiplications(model) * epochs * (60_000 - study.dev)
    result = {
        **measure(readings[0], labels),
        "moved": measure(readings[1], labels),
        "epochs": epochs,
        "parameters": model.count_params(),
        "work": round(work / 1e12, 1),
    }
    path = TRIED / f"{arguments.recipe}-{arguments.seed}.json"
    write_json(path, result)
    state.unlink()
    print(f"wrote {path}: {result}")


def measure(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> dict[str, float]:
    """Return accuracy and loss, to six decimals."""
    return {
        "accuracy": round(statistics.accuracy(probabilities.argmax(axis=1) == labels), 6),
        "loss": round(statistics.cross_entropy(probabilities[range(len(labels)), labels]), 6),
    }


if __name__ == "__main__":
    run_stage("accuracy", main)
