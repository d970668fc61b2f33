"""How long the short recipe takes, against the article's 30 epochs of lenet5_v2, on one split.

Both learn MNIST's official training images in processes of their own, one after the other, and are
timed as whole processes. The short one's reads the PNGs, learns all 60,000 images and reads the
test images; of the article's only the training counts, with 3,000 images left out for dev. The
article's takes half an hour or more; the short one runs five times for each of it, with another
seed each time, and all five are held against it. The recipe for the highest accuracy, which may
take an hour, is timed as a whole process, too, once a round.

    python -m bench.time_to_accuracy          # both comparisons, swift's and champion's
    python -m bench.time_to_accuracy champion
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from bench import measuring
from digits.errors import PipelineError, run_stage
from digits.io import read_json
from studies import jobs, workspace
from studies.accuracy import recipes
from studies.accuracy.run import RUNS

ARTICLE = "lenet5_v2"
PURPOSE, HIGHEST = "swift", "champion"  # of the recipes that are chosen
TARGET = 99.41  # %; the best figure of the articles, lenet5_v2's


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.time_to_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help=f"{PURPOSE}, {HIGHEST} (both)")
    parser.add_argument("--rounds", type=int, default=1, help="trainings of the article's (1)")
    arguments = parser.parse_args()
    names, rounds = arguments.names or [PURPOSE, HIGHEST], arguments.rounds
    if unknown := set(names) - {PURPOSE, HIGHEST}:
        raise PipelineError(f"no {', '.join(sorted(unknown))} here; {PURPOSE} and {HIGHEST} are")
    if rounds < 1:
        raise PipelineError("--rounds must be at least 1")
    seeds = recipes.load().seeds
    if not workspace.PNG.exists():
        raise PipelineError(f"{workspace.PNG} is missing; `dvc repro convert` makes it")
    seconds: list[tuple[float, float]] = []
    accuracies: dict[str, list[float]] = {PURPOSE: [], ARTICLE: []}
    highest: list[float] = []
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = prepare(Path(name))
            if PURPOSE in names:
                other = article(folder, number)
                accuracies[ARTICLE].append(other[1])
                print(f"{ARTICLE}, seed {number}: {other[0]:.0f} s, {other[1]:.2%}", flush=True)
                write(seconds, accuracies)
                for seed in seeds:
                    ours = train(folder, PURPOSE, seed)
                    accuracies[PURPOSE].append(ours[1])
                    seconds.append((ours[0], other[0]))
                    print(f"{PURPOSE}, seed {seed}: {ours[0]:.0f} s, {ours[1]:.2%}", flush=True)
                    write(seconds, accuracies)
            if HIGHEST in names:
                highest.append(train(folder, HIGHEST, number)[0])
                print(f"{HIGHEST}, seed {number}: {highest[-1]:.0f} s", flush=True)
                figure = {
                    "what": f"{HIGHEST}, one training",
                    "note": recipes.load().chosen[HIGHEST],
                    "unit": "s",
                    "wanted": "",
                    "ours": measuring.spread(highest),
                }
                measuring.write("time_to_accuracy", [figure])


def write(seconds: list[tuple[float, float]], accuracies: dict[str, list[float]]) -> None:
    """Write the figures of what has run so far: hours may lie between the first and the last."""
    figures = []
    if seconds:
        figure = measuring.pairs(f"{PURPOSE}, against {ARTICLE}", "s", seconds, "<= 0.1")
        figures.append({**figure, "note": recipes.load().chosen[PURPOSE]})
    for name, values in accuracies.items():
        if values:
            figures.append(
                {
                    "what": f"{name} on test",
                    "unit": "%",
                    "wanted": f"mean >= {TARGET}" if name == PURPOSE else "",
                    "ours": measuring.spread([100 * value for value in values]),
                    "mean": round(100 * float(np.mean(values)), 3),
                }
            )
    measuring.write("time_to_accuracy", figures)


def prepare(folder: Path) -> Path:
    """Fill a folder with parameters of the official split and the images."""
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["split"]["scheme"] = "official"
    yaml.dump(content, folder / "params.yaml")
    for path in (workspace.PNG, recipes.PATH):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(path.absolute())
    return folder


def train(folder: Path, purpose: str, seed: int) -> tuple[float, float]:
    """Train by the recipe chosen for a purpose; return seconds and accuracy on test."""
    recipe = recipes.load().chosen[purpose]
    seconds = measuring.run(["studies.accuracy.run", recipe, str(seed)], folder).seconds
    images = jobs.read(workspace.PNG)
    labels = images.labels[images.sources == recipes.TESTING]
    with np.load(folder / RUNS / f"{recipe}-{seed}.npz", allow_pickle=False) as content:
        read = content["log_probabilities"].argmax(axis=1)
    return seconds, float((read == labels).mean())


def article(folder: Path, seed: int) -> tuple[float, float]:
    """Train by the article's recipe; return the training's seconds and accuracy on test."""
    yaml = YAML()
    content = yaml.load(folder / "params.yaml")
    content["seed"] = seed
    yaml.dump(content, folder / "params.yaml")
    for stage in ("resplit", "standardize"):
        measuring.run([f"stages.{stage}"], folder)
    for stage in ("pretrain", "lr_find"):
        measuring.run([f"stages.{stage}", ARTICLE], folder)
    seconds = measuring.run(["stages.train", ARTICLE], folder).seconds
    measuring.run(["stages.evaluate", ARTICLE], folder)
    return seconds, read_json(folder / f"metrics/{ARTICLE}.json")["test"]


if __name__ == "__main__":
    run_stage("bench", main)
