"""Compare this pipeline's training with a bare Keras ``fit`` of the same network, and with PyTorch.

Ours comes with all that the pipeline does besides: repeatable kernels, a checkpoint and the curves
after every epoch, and augmentation where params.yaml asks for it; there it is measured once more
without. A bare fit has the images in memory and nothing else; it is measured as Keras compiles by
default, through XLA, and without XLA. PyTorch's is as bare, where PyTorch is installed. Ours of
lenet5 and lenet5_v2 is measured without oneDNN's kernels, too, which TensorFlow by itself uses on
some processors only.

Each measurement is a process of its own, since determinism cannot be switched off again; the kinds
take turns, so that all meet the same weather on the machine. Slow networks learn fewer images, as
many as take ours some 10 seconds an epoch, fast ones more epochs, until ours has learned as long.
All read few dev images, so that an epoch is one of learning; a checkpoint after so short an epoch
weighs more on ours than it does in the pipeline. Needs what standardize wrote.

    python -m bench.training_speed lenet5 lenet5_v2 --rounds 5 --epochs 3
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from bench import measuring
from digits import config, networks
from digits.config import Architecture, Augment
from digits.data import dataset, splits
from digits.errors import PipelineError, run_stage
from digits.training import determinism, fit

STANDARDIZED, SPLIT = Path("data/standardized"), Path("data/split.csv")
LEARNING = 10  # seconds, of ours, at least
FIRST_LOOK = ["--epochs", "1", "--images", "4096"]
RATE = 0.001  # of learning; the speed does not depend on it
DEV = 256  # images


def main() -> None:
    """Run the rounds, or with ``--kind`` one measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.training_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="architectures of params.yaml (all of them)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind (3)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=2,
        help="timed, after one that is not (2, of fast networks more)",
    )
    parser.add_argument("--images", type=int, help="train on the first so many (by speed)")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or list(config.load().architectures)
    values = config.load()
    batch_sizes = {name: config.architecture(values, name).batch_size for name in names}
    for path in (STANDARDIZED, SPLIT):
        if not path.exists():
            raise PipelineError(f"{path} is missing; `dvc repro standardize` makes it")
    if arguments.rounds < 1 or arguments.epochs < 1:
        raise PipelineError("--rounds and --epochs must be at least 1")
    if arguments.kind:
        print(measure(arguments.kind, names[0], arguments.epochs, arguments.images))
        return
    learned = len(splits.sets(splits.read(SPLIT))["train"])
    for name, batch_size in batch_sizes.items():
        images = int(LEARNING * run(OURS, name, FIRST_LOOK))
        epochs = max(arguments.epochs, round(images / learned))
        images = arguments.images or min(images, learned)
        images = max(images // batch_size, 1) * batch_size  # no batch of one image
        options = ["--epochs", str(epochs), "--images", str(images)]
        measuring.write("training", compare(name, arguments.rounds, options))


def compare(name: str, rounds: int, options: list[str]) -> list[dict[str, Any]]:
    """Measure an architecture of each kind in turn; return ours against each other's."""
    augmented = config.architecture(config.load(), name).augment != PLAIN
    kinds = [OURS, *BARE]
    kinds += [PLAINLY] if augmented else []
    kinds += [EIGEN] if name in OTHER_KERNELS else []
    kinds += [PYTORCH] if _pytorch_has(name) else []
    speeds: list[dict[str, float]] = []
    for number in range(rounds):
        speeds.append({kind: run(kind, name, options) for kind in kinds})
        print(f"{name}, round {number + 1}, images/s:", end="")
        print("".join(f"  {kind} {speed:,.0f}" for kind, speed in speeds[-1].items()), flush=True)
    plain = PLAINLY if augmented else OURS
    pairs = [(OURS, kind, WITH_AUGMENTATION) for kind in BARE if augmented]
    pairs += [(plain, kind, AS_FAST) for kind in BARE]
    pairs += [(OURS, EIGEN, "")] if EIGEN in kinds else []
    pairs += [(plain, PYTORCH, NEARLY)] if PYTORCH in kinds else []
    notes = {PYTORCH: {"note": measuring.version("torch")}}
    return [
        {
            **measuring.pairs(
                f"training {name}{one.removeprefix(OURS)}, against {other}",
                "images/s",
                [(speed[one], speed[other]) for speed in speeds],
                wanted,
            ),
            **notes.get(other, {}),
        }
        for one, other, wanted in pairs
    ]


def _pytorch_has(name: str) -> bool:
    """Return whether PyTorch is there, and the network is one that can be translated."""
    plain = config.architecture(config.load(), name).network != "resnet34"
    return plain and importlib.util.find_spec("torch") is not None


def run(kind: str, name: str, options: list[str]) -> float:
    """Measure in a fresh process; return images a second."""
    module = "torch_training" if kind == PYTORCH else "training_speed"
    command = [sys.executable, "-m", f"bench.{module}", name, *options]
    if kind != PYTORCH:
        command += ["--kind", kind]
    result = subprocess.run(  # noqa: S603
        command,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **ENVIRONMENTS.get(kind, {})},
    )
    if result.returncode:
        raise PipelineError(f"{kind} of {name} failed: {result.stderr[-2000:]}")
    return float(result.stdout.splitlines()[-1])


def measure(kind: str, name: str, epochs: int, images: int | None) -> float:
    """Return the images a second, of the median epoch, the first one left out."""
    values = config.load()
    settings = config.architecture(values, name)
    changes = {"epochs": epochs + 1, "learning_rate": RATE}
    phase = settings.plan[-1].model_copy(update=changes)  # the one that trains most
    changed: dict[str, Any] = {"phases": [phase]}
    if kind == PLAINLY:
        changed["augment"] = PLAIN
    settings = settings.model_copy(update=changed)
    data = dataset.load(STANDARDIZED, SPLIT)
    data.rows["train"] = data.rows["train"][:images]
    data.rows["dev"] = data.rows["dev"][:DEV]
    ends = KINDS[kind](name, settings, data, values.seed, values.threads)
    return len(data.rows["train"]) / float(np.median(np.diff(ends)))


def ours(
    name: str, settings: Architecture, data: dataset.Dataset, seed: int, threads: int
) -> list[float]:
    """Train as the pipeline does, checkpoints and curves included."""
    determinism.pin(seed, threads)
    model = networks.build(name, settings, data.mean, data.std)
    ends: list[float] = []

    def note(curves: pd.DataFrame) -> None:
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        fit.fit(model, settings, data, seed, Path(folder) / "state.npz", "", note)
    return ends


def bare(
    name: str,
    settings: Architecture,
    data: dataset.Dataset,
    seed: int,
    threads: int,
    *,
    xla: bool,
) -> list[float]:
    """Train with nothing but Keras, on arrays in memory and without augmentation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)
    model = networks.build(name, settings, data.mean, data.std)
    optimizer = keras.optimizers.get(settings.optimizer.name)
    optimizer.learning_rate = RATE
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=xla,
    )
    train, dev = (
        (data.images[data.rows[s]][..., np.newaxis], data.labels[data.rows[s]])
        for s in ("train", "dev")
    )
    ends: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    model.fit(
        *train,
        batch_size=settings.batch_size,
        epochs=settings.plan[0].epochs,
        validation_data=dev,
        callbacks=[note],
        verbose=2,
    )
    return ends


OURS, PLAINLY = "ours", "ours without augmentation"
EIGEN = "ours without oneDNN"
BARE = ("bare (XLA)", "bare (no XLA)")
PYTORCH = "PyTorch"
KINDS: dict[str, Callable[..., list[float]]] = {
    OURS: ours,
    PLAINLY: ours,
    EIGEN: ours,
    BARE[0]: partial(bare, xla=True),
    BARE[1]: partial(bare, xla=False),
}
PLAIN = Augment(**dict.fromkeys(Augment.model_fields, 0))
ENVIRONMENTS = {EIGEN: {"TF_ENABLE_ONEDNN_OPTS": "0"}}
OTHER_KERNELS = ("lenet5", "lenet5_v2")  # are measured with these, too
AS_FAST, WITH_AUGMENTATION, NEARLY = ">= 1.0", ">= 0.95", ">= 0.9"

if __name__ == "__main__":
    run_stage("bench", main)
