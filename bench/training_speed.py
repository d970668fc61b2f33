"""Compare this pipeline's training with a bare Keras ``fit`` of the same network.

Ours comes with all that the pipeline does besides: augmentation where params.yaml asks for it,
repeatable kernels, a checkpoint and the curves after every epoch. A bare fit has the images in
memory and nothing else; it is measured as Keras compiles by default, through XLA, and without XLA.

Each measurement is a process of its own, since determinism cannot be switched off again; the kinds
take turns, so that all meet the same weather on the machine. Needs what standardize wrote.

    python -m bench.training_speed lenet5 --rounds 5 --epochs 3
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from digits import dataset, determinism, networks, params, training
from digits.errors import PipelineError, run_stage
from digits.params import Architecture

RATE = 0.001  # of learning; the speed does not depend on it


def main() -> None:
    """Run the rounds, or with ``--kind`` one measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.training_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="an architecture of params.yaml")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--epochs", type=int, default=3, help="timed, after one that is not")
    parser.add_argument("--images", type=int, help="train on the first so many only")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    params.architecture(params.load(), arguments.name)
    if not Path("data/standardized").exists():
        raise PipelineError("data/standardized is missing; `dvc repro standardize` makes it")
    if arguments.rounds < 1 or arguments.epochs < 1:
        raise PipelineError("--rounds and --epochs must be at least 1")
    if arguments.kind:
        print(measure(arguments.kind, arguments.name, arguments.epochs, arguments.images))
        return
    speeds = []
    for number in range(arguments.rounds):
        seconds = {kind: run(kind, sys.argv[1:]) for kind in KINDS}
        speeds.append({kind: seconds[kind] / seconds["ours"] for kind in KINDS})
        print(f"round {number + 1}, seconds an epoch:", end="", flush=True)
        print("".join(f"  {kind} {seconds[kind]:.2f}" for kind in KINDS), flush=True)
    for kind, column in pd.DataFrame(speeds).drop(columns="ours").items():
        print(
            f"{arguments.name}: {column.median():.3f} of the speed of a {kind} fit "
            f"(median of {len(column)} rounds, {column.min():.3f} to {column.max():.3f})"
        )


def run(kind: str, arguments: list[str]) -> float:
    """Measure in a fresh process; return seconds an epoch."""
    command = [sys.executable, "-m", "bench.training_speed", *arguments, "--kind", kind]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return float(result.stdout.splitlines()[-1])


def measure(kind: str, name: str, epochs: int, images: int | None) -> float:
    """Return the median of the seconds an epoch took, the first one left out."""
    values = params.load()
    settings = params.architecture(values, name)
    changes = {"epochs": epochs + 1, "learning_rate": RATE}
    phase = settings.plan[-1].model_copy(update=changes)  # the one that trains most
    settings = settings.model_copy(update={"phases": [phase]})
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    data.rows["train"] = data.rows["train"][:images]
    ends = KINDS[kind](name, settings, data, values.seed, values.threads)
    return float(np.median(np.diff(ends)))


def ours(
    name: str, settings: Architecture, data: dataset.Dataset, seed: int, threads: int
) -> list[float]:
    """Train as the pipeline does, checkpoints and curves included."""
    determinism.pin(seed, threads)
    model = networks.build(name, settings, data.mean, data.deviation)
    ends: list[float] = []

    def note(curves: pd.DataFrame) -> None:
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        training.fit(model, settings, data, seed, Path(folder) / "state.npz", "", note)
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
    model = networks.build(name, settings, data.mean, data.deviation)
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


KINDS: dict[str, Callable[..., list[float]]] = {
    "ours": ours,
    "bare (XLA)": partial(bare, xla=True),
    "bare (no XLA)": partial(bare, xla=False),
}

if __name__ == "__main__":
    run_stage("bench", main)
