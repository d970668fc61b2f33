"""How fast training is, against a bare Keras ``fit`` and PyTorch; how soon swift is accurate.

docs/performance.md says how the three train. PyTorch takes part where it is installed (`pip install
torch`). All learn 10,240 images. After so short an epoch, a checkpoint weighs more than it does in
the pipeline.

swift is to pass the LeNet-5 article's 99.41 %. Five trainings, as the study of accuracy has it, are
compared with one of lenet5_v2, the article's own 30 epochs with 3,000 images in dev. Each is timed
as a whole process: it reads the images, learns the official training images and predicts the test
images. Half an hour.

Each measurement is a process of its own, since determinism cannot be switched off again.

    python -m bench.training lenet5 lenet5_v2
"""

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import measuring
from digits import config
from digits.config import Architecture, Augment, Params, Phase
from digits.data import dataset
from digits.data.dataset import Dataset
from digits.errors import PipelineError, command_line, run_stage

OURS, BARE, PYTORCH = "ours", "a bare Keras fit", "PyTorch"
WANTED = ">= 1.0"
IMAGES, DEV = 10_240, 256  # learned and watched at most; an epoch is one of learning
EPOCHS = 1000  # at most
TIMED, LEARNING = 2, 10  # epochs and seconds at least, after a first epoch
RATE = 0.001  # learning rate; the speed does not depend on it

ARTICLE, SWIFT = "lenet5_v2", "swift"
TARGET = 99.41  # %; the article's, of lenet5_v2

Note = Callable[..., None]


class DoneError(Exception):
    """The speed is known."""


def main() -> None:
    """Measure what is named on the command line."""
    parser = command_line("bench.training", __doc__)
    parser.add_argument("names", nargs="*", help="architectures of params.yaml, or swift (all)")
    parser.add_argument("--kind", help=argparse.SUPPRESS)  # the process of one measurement
    arguments = parser.parse_args()
    values, kind = config.load(), arguments.kind
    for name in arguments.names or [*values.architectures, SWIFT]:
        if kind is None:
            measuring.write(time_to_accuracy() if name == SWIFT else compare(name))
        elif kind.isdigit():
            print(learn(name, int(kind), values.threads))
        else:
            print(speed(kind, name))


def apart(name: str, kind: str) -> tuple[float, float]:
    """Measure in a fresh process; return what it found and the seconds it took."""
    used = measuring.run("bench.training", name, "--kind", kind)
    return float(used.output.splitlines()[-1]), used.seconds


def compare(name: str) -> list[dict[str, str]]:
    """Measure an architecture's speed of each kind in turn; return ours against each other's."""
    kinds = [OURS, BARE]
    recipe = config.architecture(config.load(), name)
    if recipe.network != "resnet34" and importlib.util.find_spec("torch"):
        kinds.append(PYTORCH)
    print(f"{name}: images/s, and seconds in all")
    found = measuring.take_turns({kind: partial(apart, name, kind) for kind in kinds})
    mine, *others = [[images_a_second for images_a_second, _ in found[kind]] for kind in kinds]
    return [
        measuring.figure(f"training {name}, against {kind}", "images/s", WANTED, mine, other)
        for kind, other in zip(kinds[1:], others, strict=True)
    ]


def speed(kind: str, name: str) -> float:
    """Return the images a second, of the median epoch, the first one left out."""
    values, recipe, data = short_training(name)
    ends: list[float] = []

    def note(*_: object) -> None:
        ends.append(time.perf_counter())
        if len(ends) > TIMED and ends[-1] - ends[0] > LEARNING:
            raise DoneError

    with suppress(DoneError):
        {OURS: ours, BARE: bare, PYTORCH: pytorch}[kind](name, values, recipe, data, note)
    return len(data.rows["train"]) / float(np.median(np.diff(ends)))


def short_training(name: str) -> tuple[Params, Architecture, Dataset]:
    """Return the parameters, a recipe of theirs in one phase, not augmented, and few images."""
    values = config.load()
    recipe = config.architecture(values, name)
    schedule = list(recipe.phases.values())[-1].schedule if recipe.phases else recipe.schedule
    phases = {"all": Phase(epochs=EPOCHS, learning_rate=RATE, schedule=schedule)}
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    data.rows["train"] = data.rows["train"][:IMAGES]
    data.rows["dev"] = data.rows["dev"][:DEV]
    plain = {"phases": phases, "augment": Augment(), "pretrained": "none"}
    return values, recipe.model_copy(update=plain), data


def ours(name: str, values: Params, recipe: Architecture, data: Dataset, note: Note) -> None:
    """Train as the pipeline does."""
    from digits.training.train import train

    with tempfile.TemporaryDirectory() as folder:
        train(name, recipe, data, values.seed, values.threads, Path(folder), note)


def bare(name: str, values: Params, recipe: Architecture, data: Dataset, note: Note) -> None:
    """Train with nothing but Keras, on arrays in memory."""
    import keras
    import tensorflow as tf

    from digits import networks
    from digits.training import optimizers

    tf.config.threading.set_intra_op_parallelism_threads(values.threads)
    tf.config.threading.set_inter_op_parallelism_threads(values.threads)
    keras.utils.set_random_seed(values.seed)
    model = networks.build(name, recipe, data.mean, data.std)
    optimizer = optimizers.make(recipe.optimizer, RATE)
    entropy = "sparse_categorical_crossentropy"
    model.compile(optimizer, entropy, metrics=["accuracy"], jit_compile=False)
    sets = data.rows["train"], data.rows["dev"]
    train, dev = ((data.images[rows][..., np.newaxis], data.labels[rows]) for rows in sets)
    watch = [keras.callbacks.LambdaCallback(on_epoch_end=note)]
    model.fit(*train, recipe.batch_size, EPOCHS, verbose=2, callbacks=watch, validation_data=dev)


def pytorch(name: str, values: Params, recipe: Architecture, data: Dataset, note: Note) -> None:
    """Train with nothing but PyTorch, layer by layer the same, predicting dev after every epoch."""
    # TensorFlow and PyTorch crash in one process, so Keras has no other to build the network with.
    os.environ["KERAS_BACKEND"] = "torch"
    import torch

    from digits import networks

    torch.set_num_threads(values.threads)
    layers = networks.build(name, recipe, data.mean, data.std).layers[1:]
    network = torch.nn.Sequential(*map(translated, layers))
    kinds = {"adadelta": "Adadelta", "adam": "Adam", "rmsprop": "RMSprop"}
    kind = getattr(torch.optim, kinds[recipe.optimizer.name])
    optimizer, entropy = kind(network.parameters(), lr=RATE), torch.nn.CrossEntropyLoss()
    (images, labels), (dev_images, dev_labels) = (
        (torch.from_numpy(data.images[rows][:, None]), torch.from_numpy(data.labels[rows]).long())
        for rows in (data.rows["train"], data.rows["dev"])
    )
    for _ in range(EPOCHS):
        network.train()
        loss, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in torch.randperm(len(labels)).split(recipe.batch_size):
            optimizer.zero_grad()
            scores, truth = network(images[rows]), labels[rows]
            mean = entropy(scores, truth)
            mean.backward()
            optimizer.step()
            loss += len(rows) * mean.detach()
            right += (scores.argmax(dim=1) == truth).sum()
        print(f"loss {loss / len(labels):.4f}, accuracy {right / len(labels):.4f}")
        network.eval()
        with torch.no_grad():
            for rows in torch.arange(len(dev_labels)).split(recipe.batch_size):
                entropy(network(dev_images[rows]), dev_labels[rows])
        note()


def translated(layer: Any) -> Any:
    """Return what does the same as a layer of Keras; the softmax is part of PyTorch's loss."""
    from torch import nn

    *_, size = shape = layer.input.shape
    norm = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    makers: dict[str, Callable[[], Any]] = {
        "Conv2D": lambda: nn.Conv2d(size, layer.filters, layer.kernel_size, bias=layer.use_bias),
        "Dense": lambda: nn.Linear(size, layer.units, bias=layer.use_bias),
        "BatchNormalization": lambda: norm(size),
        "ReLU": nn.ReLU,
        "MaxPooling2D": lambda: nn.MaxPool2d(layer.pool_size),
        "ZeroPadding2D": lambda: nn.ZeroPad2d(layer.padding[0][0]),
        "Dropout": lambda: nn.Dropout(layer.rate),
        "Flatten": nn.Flatten,
        "Rescaling": nn.Identity,  # of no weight in time
    }
    if (kind := type(layer).__name__) not in makers:
        raise PipelineError(f"{kind} has no counterpart in PyTorch here")
    return makers[kind]()


def time_to_accuracy() -> list[dict[str, str]]:
    """Train the article's network and swift's; return the seconds and the accuracies on test."""
    runs = [(ARTICLE, 1), *((SWIFT, seed) for seed in range(1, 6))]
    kinds = {f"{name}, seed {seed}": partial(apart, name, str(seed)) for name, seed in runs}
    found = [one for (one,) in measuring.take_turns(kinds, rounds=1).values()]
    (article, *swift), (longest, *seconds) = zip(*found, strict=True)
    pair = seconds, len(seconds) * [longest]
    return [
        measuring.figure(f"{SWIFT}, against {ARTICLE}", "s", "<= 0.1", *pair),
        measuring.figure(f"{SWIFT} on test", "%", f">= {TARGET} %", swift),
        measuring.figure(f"{ARTICLE} on test", "%", "", [article]),
    ]


def learn(name: str, seed: int, threads: int) -> float:
    """Train on the official training images; return the accuracy on the test images in percent."""
    from studies import study
    from studies.images import read_images
    from studies.runs import Run

    values = config.load()
    recipe = values.architectures[ARTICLE]
    split = values.split.model_copy(update={"scheme": "official", "dev": 3000})
    if name == SWIFT:
        every = study.recipes(study.read("accuracy"), "accuracy")
        split, recipe = next((one.split, own) for setting, one, own in every if setting == SWIFT)
    how: Any = {"images": None, "fold": None, "folds": None, "small": None, "keep": "correct"}
    run = Run(name, recipe, split, seed=seed, threads=threads, sets=("test",), **how)
    with tempfile.TemporaryDirectory() as folder:
        (row,) = run.execute(read_images("mnist"), Path(folder))
    return 100 * float(row["test_accuracy"])


if __name__ == "__main__":
    run_stage("bench", main)
