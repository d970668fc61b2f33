"""Compare this pipeline's training with a bare Keras ``fit`` of the same network, and with PyTorch.

Ours comes with repeatable kernels, a checkpoint and the curves after every epoch, and augmentation
where params.yaml asks for it; there it is measured once more without. A bare fit has the images in
memory and nothing else, with XLA, as Keras compiles by default, and without. PyTorch's is as bare,
where PyTorch is installed. Ours of lenet5 and lenet5_v2 is also measured without oneDNN's kernels.

Each measurement is a process of its own, since determinism cannot be switched off again; the kinds
take turns. Slow networks learn fewer images, as many as take ours some 10 seconds an epoch, fast
ones more epochs. After so short an epoch, a checkpoint weighs more than it does in the pipeline.

    python -m bench.training_speed lenet5 lenet5_v2 --rounds 5 --epochs 3
"""

import argparse
import importlib.metadata
import importlib.util
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench import measuring
from digits import config, networks
from digits.config import Architecture, Augment
from digits.data.dataset import Dataset
from digits.errors import run_stage
from digits.training import fit, optimizers

OURS, PLAIN = "ours", "ours without augmentation"
EIGEN = "ours without oneDNN"
XLA, NO_XLA = "bare (XLA)", "bare (no XLA)"
PYTORCH = "PyTorch"
OTHER_KERNELS = ("lenet5", "lenet5_v2")  # are also measured without oneDNN
AS_FAST, WITH_AUGMENTATION, NEARLY = ">= 1.0", ">= 0.95", ">= 0.9"
LEARNING = 10  # seconds, of ours, at least
FIRST_LOOK = ["--epochs", "1", "--images", "4096"]
Note = Callable[..., None]


def main() -> None:
    """Run the rounds, or with ``--kind`` one measurement."""
    parser = measuring.parser("training_speed", __doc__, rounds=3)
    count = measuring.count
    parser.add_argument("names", nargs="*", help="architectures of params.yaml (all of them)")
    what = "timed, after one that is not (2, of fast networks more)"
    parser.add_argument("--epochs", type=count, default=2, help=what)
    parser.add_argument("--images", type=count, help="train on the first so many (by speed)")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = arguments.names or list(config.load().architectures)
    measuring.require("dvc repro standardize", "data/standardized", "data/split.csv")
    if arguments.kind:
        print(measure(arguments.kind, names[0], arguments.epochs, arguments.images))
        return
    for name, (_, recipe, data) in [(name, measuring.short_training(name, 1)) for name in names]:
        learned = len(data.rows["train"])
        images = int(LEARNING * run(OURS, name, FIRST_LOOK))
        epochs = max(arguments.epochs, round(images / learned))
        images = arguments.images or min(images, learned)
        images = max(images // recipe.batch_size, 1) * recipe.batch_size  # no batch of one image
        options = ["--epochs", str(epochs), "--images", str(images)]
        measuring.write("training", compare(name, arguments.rounds, options))


def compare(name: str, rounds: int, options: list[str]) -> list[dict[str, Any]]:
    """Measure an architecture of each kind in turn; return ours against each other's."""
    recipe = config.architecture(config.load(), name)
    pairs = [(OURS, other, WITH_AUGMENTATION) for other in (XLA, NO_XLA)]
    plain = PLAIN
    if recipe.augment == Augment():
        pairs, plain = [], OURS
    pairs += [(plain, other, AS_FAST) for other in (XLA, NO_XLA)]
    if name in OTHER_KERNELS:
        pairs.append((OURS, EIGEN, ""))
    if recipe.network != "resnet34" and importlib.util.find_spec("torch"):  # it can be translated
        pairs.append((plain, PYTORCH, NEARLY))
    kinds = dict.fromkeys(kind for pair in pairs for kind in pair[:2])
    print(f"{name}, images/s:")
    speeds = measuring.take_turns(
        {kind: partial(run, kind, name, options) for kind in kinds}, rounds
    )
    return [
        measuring.figure(
            f"training {name}{one.removeprefix(OURS)}, against {other}",
            "images/s",
            wanted,
            speeds[one],
            speeds[other],
            **({"note": importlib.metadata.version("torch")} if other == PYTORCH else {}),
        )
        for one, other, wanted in pairs
    ]


def run(kind: str, name: str, options: list[str]) -> float:
    """Measure in a fresh process; return images a second."""
    command = ["bench.training_speed", name, *options, "--kind", kind]
    if kind == PYTORCH:
        command = ["bench.torch_training", name, *options]
    environment = {"TF_ENABLE_ONEDNN_OPTS": "0"} if kind == EIGEN else {}
    return float(measuring.run(command, Path(), **environment).output.splitlines()[-1])


def measure(kind: str, name: str, epochs: int, images: int | None) -> float:
    """Return the images a second, of the median epoch, the first one left out."""
    values, recipe, data = measuring.short_training(name, epochs + 1, images)
    pinned = values.seed, values.threads
    ends: list[float] = []

    def note(*_: object) -> None:
        ends.append(time.perf_counter())

    if kind in (XLA, NO_XLA):
        tf.config.threading.set_intra_op_parallelism_threads(values.threads)
        tf.config.threading.set_inter_op_parallelism_threads(values.threads)
        keras.utils.set_random_seed(values.seed)
        bare(networks.build(name, recipe, data.mean, data.std), recipe, data, note, kind)
    else:
        if kind == PLAIN:
            recipe = recipe.model_copy(update={"augment": Augment()})
        model = fit.build(name, recipe, data, *pinned)
        with tempfile.TemporaryDirectory() as folder:
            fit.fit(model, recipe, data, *pinned, Path(folder), on_curves=note)
    return measuring.images_a_second(data, ends)


def bare(model: keras.Model, recipe: Architecture, data: Dataset, note: Note, kind: str) -> None:
    """Train with nothing but Keras, on arrays in memory and without augmentation."""
    optimizer = optimizers.make(recipe.optimizer, measuring.RATE)
    entropy = "sparse_categorical_crossentropy"
    model.compile(optimizer, entropy, metrics=["accuracy"], jit_compile=kind == XLA)
    train, dev = (
        (data.images[data.rows[s]][..., np.newaxis], data.labels[data.rows[s]])
        for s in ("train", "dev")
    )
    model.fit(
        *train,
        batch_size=recipe.batch_size,
        epochs=fit.phases_of(recipe)["all"].epochs,
        validation_data=dev,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
        verbose=2,
    )


if __name__ == "__main__":
    run_stage("bench", main)
