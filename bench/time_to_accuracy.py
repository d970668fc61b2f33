"""How long a short recipe takes, against the article's 30 epochs of lenet5_v2, on one split.

Each training is timed as a whole process: it reads the raw files, learns the official training
images and predicts the test images. The article's recipe leaves 3,000 images out for dev, takes
half an hour or more, and is held against five trainings of swift with another seed each. champion,
the recipe for the highest accuracy, may take an hour and is timed alone, once a round.

    python -m bench.time_to_accuracy          # swift and champion
    python -m bench.time_to_accuracy champion
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from bench import measuring
from digits import config
from digits.config import Architecture
from digits.data import idx
from digits.data.dataset import Dataset
from digits.errors import PipelineError, run_stage
from digits.evaluation import predict
from digits.training import train

ARTICLE, SWIFT, CHAMPION = "lenet5_v2", "swift", "champion"
TARGET = 99.41  # %; the best figure of the articles, lenet5_v2's
SEEDS = range(1, 6)  # of swift
DEV = 3000  # images that the article's recipe watches
# What studies/accuracy chose, by its names there.
NOTES = {SWIFT: "swift_rate_8", CHAMPION: "champion_hour"}
RECIPES = """
swift: &base
  {network: swift, epochs: 4, batch_size: 128, batch_norm: true, schedule: {name: one_cycle},
  optimizer: {name: adam, learning_rate: 0.008}}
champion:
  <<: *base
  network: champion
  width: 2
  epochs: 24
  optimizer: {name: adam, learning_rate: 0.004}
  augment: {rotation: 15, zoom: 0.15, shift: 0.12, shear: 10, erode: 0.5, dilate: 0.5}
  dropout: 0.2
"""


def main() -> None:
    """Run the rounds, or with ``--seed`` one training."""
    parser = measuring.parser("time_to_accuracy", __doc__, rounds=1)
    parser.add_argument("names", nargs="*", help=f"{SWIFT}, {CHAMPION} (both)")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or list(NOTES)
    if arguments.seed is not None:
        print(learn(names[0], arguments.seed))
        return
    if unknown := set(names) - set(NOTES):
        raise PipelineError(f"no {', '.join(sorted(unknown))} here; {' and '.join(NOTES)} are")
    measuring.require("dvc repro download", str(measuring.RAW))
    seconds: dict[str, list[float]] = {name: [] for name in (ARTICLE, *NOTES)}
    accuracies: dict[str, list[float]] = {name: [] for name in seconds}
    for number in range(1, arguments.rounds + 1):
        trainings = [(ARTICLE, number), *((SWIFT, seed) for seed in SEEDS)] * (SWIFT in names)
        trainings += [(CHAMPION, number)] * (CHAMPION in names)
        for name, seed in trainings:
            used = measuring.run(["bench.time_to_accuracy", name, "--seed", str(seed)])
            seconds[name].append(used.seconds)
            accuracies[name].append(100 * float(used.output.splitlines()[-1]))
            print(f"{name}, seed {seed}: {used.seconds:.0f} s, {accuracies[name][-1]:.2f} %")
            # Hours may lie between the first and the last.
            measuring.write("time_to_accuracy", figures(seconds, accuracies))


def learn(name: str, seed: int) -> float:
    """Train on the official training images; return the accuracy on the test images, [0, 1]."""
    threads = config.load().threads
    parts = [
        idx.read_pair(*(measuring.RAW / file for file in files)) for files in idx.FILES.values()
    ]
    pixels, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    testing = len(parts[0][0])
    learned = testing - (DEV if name == ARTICLE else 0)
    mean, std = float(pixels[:learned].mean()), float(pixels[:learned].std())
    images = ((np.arange(256) - mean) / std).astype(np.float32)[pixels]
    train_, dev, test = np.split(np.arange(len(labels)), [learned, testing])
    rows = {"train": train_, "dev": dev, "test": test}
    data = Dataset(images, labels, mean, std, rows)
    with tempfile.TemporaryDirectory() as folder:
        trained = train.train(name, recipe(name), data, seed, threads, Path(folder))
        network = predict.load_network(trained.ends[-1])
    predicted = predict.predict(network, images[test]).argmax(axis=1)
    return float((predicted == labels[test]).mean())


def recipe(name: str) -> Architecture:
    """Return how to train swift, champion, or an architecture of params.yaml."""
    if name == ARTICLE:
        return config.architecture(config.load(), name)
    return config.check(Architecture, YAML(typ="safe", pure=True).load(RECIPES)[name], name)


def figures(
    seconds: dict[str, list[float]], accuracies: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """Describe what has run so far: swift's trainings each against the article's of their round."""
    found = []
    article = [one for one in seconds[ARTICLE] for _ in SEEDS][: len(seconds[SWIFT])]
    for name, what, other, wanted in (
        (SWIFT, f"{SWIFT}, against {ARTICLE}", article, "<= 0.1"),
        (CHAMPION, f"{CHAMPION}, one training", [], ""),
    ):
        if mine := seconds[name]:
            found.append(measuring.figure(what, "s", wanted, mine, other, note=NOTES[name]))
    for name, wanted in ((SWIFT, f"mean >= {TARGET}"), (ARTICLE, "")):
        if accuracies[name]:
            mean = round(float(np.mean(accuracies[name])), 3)
            what = f"{name} on test"
            found.append(measuring.figure(what, "%", wanted, accuracies[name], mean=mean))
    return found


if __name__ == "__main__":
    run_stage("bench", main)
