"""Train a network in PyTorch, layer by layer the same, as plainly as a bare Keras ``fit``.

Prints loss and accuracy of each epoch, as the others do, and images a second. L2 is left out.
PyTorch is no package of this project; `pip install torch` adds it for the comparison. Keras, which
describes the network, computes with PyTorch too here, since PyTorch and TensorFlow crash in one
process.

    python -m bench.torch_training lenet5
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from digits import config, networks
from digits.data import dataset
from digits.data.dataset import Dataset
from digits.errors import PipelineError, run_stage

RATE = 0.001  # of learning; the speed does not depend on it
DEV = 256  # images, as the others read
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
}


def main() -> None:
    """Train the architecture named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.torch_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="an architecture of params.yaml")
    parser.add_argument("--epochs", type=int, default=2, help="timed, after one that is not (2)")
    parser.add_argument("--images", type=int, help="train on the first so many only")
    arguments = parser.parse_args()
    values = config.load()
    settings = config.architecture(values, arguments.name)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    data.rows["train"] = data.rows["train"][: arguments.images]
    data.rows["dev"] = data.rows["dev"][:DEV]
    model = networks.build(arguments.name, settings, data.mean, data.std)
    epochs = arguments.epochs + 1
    ends = train(
        model, data, settings.batch_size, epochs, values.threads, RATE, settings.optimizer.name
    )
    print(len(data.rows["train"]) / float(np.median(np.diff(ends))))


def translate(model: keras.Model) -> torch.nn.Sequential:
    """Return the layers of a Keras model that is a plain sequence, with weights of PyTorch's own.

    Images go through it as (n, 1, 28, 28), scores come out as (n, 10), without the softmax.

    Raises:
        PipelineError: it has a layer that none of the sequential networks has.
    """
    return torch.nn.Sequential(*(part for layer in model.layers[1:] for part in _layer(layer)))


def _layer(layer: keras.Layer) -> list[torch.nn.Module]:
    """Return what does the same."""
    shape = layer.input.shape
    match layer:
        case keras.layers.Conv2D():
            convolution = torch.nn.Conv2d(
                shape[-1], layer.filters, layer.kernel_size, bias=layer.use_bias
            )
            return [convolution, *_activation(layer)]
        case keras.layers.Dense():
            return [
                torch.nn.Linear(shape[-1], layer.units, bias=layer.use_bias),
                *_activation(layer),
            ]
        case keras.layers.BatchNormalization():
            kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
            return [kind(shape[-1])]
        case keras.layers.ReLU():
            return [torch.nn.ReLU()]
        case keras.layers.MaxPooling2D():
            return [torch.nn.MaxPool2d(layer.pool_size)]
        case keras.layers.ZeroPadding2D():
            return [torch.nn.ZeroPad2d(layer.padding[0][0])]
        case keras.layers.Dropout():
            return [torch.nn.Dropout(layer.rate)]
        case keras.layers.Flatten():
            return [torch.nn.Flatten()]
        case keras.layers.Rescaling():
            return []  # of no weight in time
    raise PipelineError(f"{type(layer).__name__} has no counterpart in PyTorch here")


def _activation(layer: keras.Layer) -> list[torch.nn.Module]:
    """Return what follows a layer's sum."""
    name = keras.activations.serialize(layer.activation)
    known: dict[str, list[torch.nn.Module]] = {
        "linear": [],
        "relu": [torch.nn.ReLU()],
        "softmax": [],  # is part of the loss
    }
    return known[name]


def train(
    model: keras.Model,
    data: Dataset,
    batch_size: int,
    epochs: int,
    threads: int,
    rate: float,
    kind: str,
) -> list[float]:
    """Train, reading the dev images after every epoch; return when each epoch ended, in seconds."""
    torch.set_num_threads(threads)
    network = translate(model)
    optimizer = OPTIMIZERS[kind](network.parameters(), lr=rate)
    entropy = torch.nn.CrossEntropyLoss()
    images, labels = _tensors(data, data.rows["train"])
    dev_images, dev_labels = _tensors(data, data.rows["dev"])
    ends = []
    for epoch in range(1, epochs + 1):
        network.train()
        loss, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in torch.randperm(len(labels)).split(batch_size):
            optimizer.zero_grad()
            scores, truth = network(images[rows]), labels[rows]
            mean = entropy(scores, truth)
            mean.backward()
            optimizer.step()
            loss += len(rows) * mean.detach()
            right += (scores.argmax(dim=1) == truth).sum()
        print(f"epoch {epoch}: loss {loss / len(labels):.4f}, accuracy {right / len(labels):.4f}")
        network.eval()
        with torch.no_grad():
            for rows in torch.arange(len(dev_labels)).split(batch_size):
                entropy(network(dev_images[rows]), dev_labels[rows])
        ends.append(time.perf_counter())
    return ends


def _tensors(data: Dataset, rows: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images, (n, 1, 28, 28), and labels, (n,)."""
    images = torch.from_numpy(data.images[rows][:, None])
    return images, torch.from_numpy(data.labels[rows].astype(np.int64))


if __name__ == "__main__":
    run_stage("bench", main)
