"""Check that this computer reproduces the project: python -m studies.verify.

Makes the images and compares their hashes with dvc.lock. Classifies the test images with the app's
network and compares digits and loss with those in git. Trains three networks with new seeds and
compares their figures with 20 runs of each. Exit status 1: a figure differs.
"""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from app.classifier import MODEL, Classifier
from digits import config
from digits.commands import git, run
from digits.data import splits
from digits.data.dataset import Images
from digits.errors import PipelineError, command_line, run_stage
from digits.evaluation import statistics
from digits.io import read_json
from studies import engine, runs, study
from studies.images import read_images
from studies.verify import analysis

DATA = ("download", "convert", "resplit", "standardize")
NEW = 5  # runs of each network
DIFFERENT = 0.00025  # of the test images, by other roundings
LOSS = 0.0025  # nats: that of five images whose label moves by a step of 8 bits, from 0 to 1/256
ADVICE = {
    "images": "the data set or a package differs: `git status`, `rm -rf .venv`, then `make setup`",
    "app": "LiteRT computes something else here: `rm -rf .venv`, then `make setup`, pins it again",
    "training": "it differs beyond chance: look at `git status` and `git diff HEAD` in digits/ and "
    "params.yaml, then verify again with another --seed",
}

Row = dict[str, str]


def main() -> None:
    """Check everything and print a table."""
    parser = command_line("studies.verify", __doc__)
    seed = random.SystemRandom().randrange(1000, 2**31 - NEW)
    parser.add_argument("--seed", type=int, default=seed, help="of the first run; default: any")
    arguments = parser.parse_args()
    rows = check_data()
    images = read_images("mnist")
    rows += check_app(images)
    print(f"training {NEW} of each network, from seed {arguments.seed} on", flush=True)
    rows += check_training(images, arguments.seed)
    print(pd.DataFrame(rows).drop(columns="kind").to_markdown(index=False, disable_numparse=True))
    wrong = dict.fromkeys(row["kind"] for row in rows if row["verdict"] != "ok")
    if wrong:
        raise PipelineError("; ".join(f"{kind}: {ADVICE[kind]}" for kind in wrong))
    print(f"This computer reproduces the project: {len(rows)} of {len(rows)} figures.")


def row(kind: str, figure: str, expected: str, found: str, *, ok: bool) -> Row:
    """Return a row of the table."""
    shown = {"kind": kind, "figure": figure, "expected": expected, "found": found}
    return {**shown, "verdict": "ok" if ok else "DIFFERS"}


def check_data() -> list[Row]:
    """Make the images anew; hold the bytes of every stage against the committed dvc.lock."""
    committed = outputs(git("show", "HEAD:./dvc.lock"))
    run(Path.cwd(), "dvc", "repro", "--force", DATA[-1])
    now = outputs(Path("dvc.lock").read_text(encoding="utf-8"))
    return [
        row("images", path, digest[:12], now.get(path, "")[:12], ok=now.get(path) == digest)
        for path, digest in committed.items()
    ]


def outputs(lock: str) -> dict[str, str]:
    """Return the MD5 of all that the data stages write, by path."""
    stages = YAML(typ="safe", pure=True).load(lock)["stages"]
    return {out["path"]: out["md5"] for name in DATA for out in stages[name]["outs"]}


def check_app(images: Images) -> list[Row]:
    """Classify the test images as the app does; hold the digits and the loss against the card."""
    table = splits.divide(images.labels, images.sources, config.load().split)
    test = splits.sets(table)["test"]
    classifier = Classifier(MODEL)
    answers = np.stack([classifier.probabilities(image) for image in images.pixels[test]])
    committed = np.load(MODEL.with_suffix(".npy"), allow_pickle=False)
    if committed.shape != test.shape:
        raise PipelineError(f"{MODEL.with_suffix('.npy')} is of another split than params.yaml")
    different = int((answers.argmax(axis=1) != committed).sum())
    loss = statistics.cross_entropy(answers[range(len(test)), images.labels[test]])
    (card,) = (
        one for one in read_json(MODEL.with_suffix(".json"))["formats"] if one["name"] == "int8"
    )
    expected, most = card["test_loss"], int(DIFFERENT * len(test))
    digits, losses = (f"{MODEL.stem} in the app: {what}" for what in ("other digits", "test loss"))
    band = f"{expected - LOSS:.4f} to {expected + LOSS:.4f}"
    return [
        row("app", digits, f"0 to {most}", f"{different}", ok=different <= most),
        row("app", losses, band, f"{loss:.4f}", ok=abs(loss - expected) <= LOSS),
    ]


def check_training(images: Images, seed: int) -> list[Row]:
    """Train with new seeds; hold the means against the bands of the study."""
    one = study.read("verify")
    first = [run for run in runs.expand(one, "verify", images) if run.seed == one.seeds[0]]
    new = [replace(run, seed=seed + number) for run in first for number in range(NEW)]
    by_identity = {run.identity(images): run for run in new}
    with tempfile.TemporaryDirectory() as store:
        found = [
            {"setting": by_identity[identity].setting} | rows[-1]
            for identity, rows in engine.run(by_identity, images, Path(store))
        ]
    bands = read_json(study.STUDIES / "verify/results/summary.json")
    return [
        row(
            "training",
            f"{judged['setting']}: {judged['figure'].replace('_', ' ')}",
            f"{judged['low']:.5f} to {judged['high']:.5f}",
            f"{judged['found']:.5f}",
            ok=judged["inside"],
        )
        for judged in analysis.judge(bands, pd.DataFrame(found))
    ]


if __name__ == "__main__":
    run_stage("verify", main)
