"""Compare this pipeline's training with a bare Keras ``fit`` of the same network.

Each measurement is a process of its own, since determinism cannot be switched off again; the two
kinds take turns, so that both meet the same weather on the machine.

    python -m bench.training_speed lenet5 --pairs 5 --epochs 3
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from digits import dataset, determinism, networks, params, training
from digits.params import Architecture


def main() -> None:
    """Run the pairs, or with ``--kind`` one measurement."""
    parser = argparse.ArgumentParser(prog="python -m bench.training_speed", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--epochs", type=int, default=3, help="timed, after one that is not")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        print(measure(arguments.kind, arguments.name, arguments.epochs))
        return
    ratios = []
    for pair in range(arguments.pairs):
        ours, bare = (run(kind, arguments.name, arguments.epochs) for kind in ("ours", "bare"))
        ratios.append(bare / ours)
        print(
            f"pair {pair + 1}: ours {ours:.2f} s, bare {bare:.2f} s an epoch, "
            f"speed {bare / ours:.3f} of bare",
            flush=True,
        )
    print(
        f"{arguments.name}: speed {statistics.median(ratios):.3f} of a bare fit "
        f"(median of {len(ratios)} pairs, {min(ratios):.3f} to {max(ratios):.3f})"
    )


def run(kind: str, name: str, epochs: int) -> float:
    """Measure in a fresh process; return seconds an epoch."""
    command = [sys.executable, "-m", "bench.training_speed", name]
    command += ["--kind", kind, "--epochs", str(epochs)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return float(result.stdout.splitlines()[-1])


def measure(kind: str, name: str, epochs: int) -> float:
    """Return the median of the seconds an epoch took, the first one left out."""
    values = params.load()
    settings = params.architecture(values, name).model_copy(update={"epochs": epochs + 1})
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
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
    name: str, settings: Architecture, data: dataset.Dataset, seed: int, threads: int
) -> list[float]:
    """Train with nothing but Keras, on arrays in memory and without augmentation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)
    model = networks.build(name, settings, data.mean, data.deviation)
    optimizer = keras.optimizers.get(settings.optimizer.name)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
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
        epochs=settings.epochs,
        validation_data=dev,
        callbacks=[note],
        verbose=2,
    )
    return ends


KINDS = {"ours": ours, "bare": bare}

if __name__ == "__main__":
    main()
