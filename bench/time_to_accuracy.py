"""How long swift takes to pass the articles' best figure, against the article's own 30 epochs.

Five trainings of swift, as the study of accuracy has it, are held against one of lenet5_v2, which
leaves 3,000 of the official training images out for dev. Each is timed as a whole process: it reads
the images, learns the official training images and predicts the test images. Half an hour a round.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench import measuring
from digits import config
from digits.errors import run_stage
from studies import study
from studies.images import PNG, read_images
from studies.runs import Run

ARTICLE, SWIFT = "lenet5_v2", "swift"
TARGET = 99.41  # %; the best figure of the articles, lenet5_v2's
SEEDS = range(1, 6)  # of swift
DEV = 3000  # images that the article's recipe watches


def main() -> None:
    """Run the rounds, or with ``--train`` one training."""
    parser = measuring.parser("time_to_accuracy", __doc__, rounds=1)
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        name, seed = arguments.train
        print(learn(name, int(seed), config.load().threads))
        return
    measuring.require("dvc repro convert", str(PNG))
    seconds: dict[str, list[float]] = {ARTICLE: [], SWIFT: []}
    accuracies: dict[str, list[float]] = {ARTICLE: [], SWIFT: []}
    for number in range(1, arguments.rounds + 1):
        for name, seed in [(ARTICLE, number), *((SWIFT, seed) for seed in SEEDS)]:
            used = measuring.run(["bench.time_to_accuracy", "--train", name, str(seed)])
            seconds[name].append(used.seconds)
            accuracies[name].append(100 * float(used.output.splitlines()[-1]))
            print(f"{name}, seed {seed}: {used.seconds:.0f} s, {accuracies[name][-1]:.2f} %")
    measuring.write("time_to_accuracy", figures(seconds, accuracies))


def learn(name: str, seed: int, threads: int) -> float:
    """Train on the official training images; return the accuracy on the test images, [0, 1]."""
    values = config.load()
    recipe = values.architectures[ARTICLE]
    split = values.split.model_copy(update={"scheme": "official", "dev": DEV})
    if name == SWIFT:
        every = study.recipes(study.read("accuracy"), "accuracy")
        split, recipe = next(
            (one.split, found) for setting, one, found in every if setting == SWIFT
        )
    how: Any = {"images": None, "fold": None, "folds": None, "small": None, "keep": "correct"}
    run = Run(name, recipe, split, seed=seed, threads=threads, sets=("test",), **how)
    with tempfile.TemporaryDirectory() as folder:
        (row,) = run.execute(read_images("mnist"), Path(folder))
    return float(row["test_accuracy"])


def figures(
    seconds: dict[str, list[float]], accuracies: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """Describe what ran: swift's trainings each against the article's of their round."""
    article = [one for one in seconds[ARTICLE] for _ in SEEDS]
    what = f"{SWIFT}, against {ARTICLE}"
    found = [measuring.figure(what, "s", "<= 0.1", seconds[SWIFT], article, note="swift_rate_8")]
    for name, wanted in ((SWIFT, f"mean >= {TARGET}"), (ARTICLE, "")):
        mean = round(float(np.mean(accuracies[name])), 3)
        what = f"{name} on test"
        found.append(measuring.figure(what, "%", wanted, accuracies[name], mean=mean))
    return found


if __name__ == "__main__":
    run_stage("bench", main)
