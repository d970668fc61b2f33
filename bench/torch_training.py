"""Train a network in PyTorch, layer by layer the same, as plainly as a bare Keras ``fit``.

Prints loss and accuracy of each epoch, as the others do, and images a second. L2 is left out.
PyTorch is no package of this project; `pip install torch` adds it for the comparison. Here Keras,
which describes the network, computes with PyTorch, since PyTorch and TensorFlow crash in one
process.

    python -m bench.torch_training lenet5
"""

import os
import time

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch

from bench import measuring
from digits import networks
from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.errors import PipelineError, run_stage

OPTIMIZERS = {
    "adadelta": torch.optim.Adadelta,
    "adam": torch.optim.Adam,
    "rmsprop": torch.optim.RMSprop,
}


def main() -> None:
    """Train the architecture named on the command line."""
    parser = measuring.parser("torch_training", __doc__)
    count = measuring.count
    parser.add_argument("name", help="an architecture of params.yaml")
    parser.add_argument("--epochs", type=count, default=2, help="timed, after one that is not (2)")
    parser.add_argument("--images", type=count, help="train on the first so many only")
    arguments = parser.parse_args()
    epochs = arguments.epochs + 1
    values, recipe, data = measuring.short_training(arguments.name, epochs, arguments.images)
    torch.set_num_threads(values.threads)
    model = networks.build(arguments.name, recipe, data.mean, data.std)
    print(measuring.images_a_second(data, train(model, recipe, data, epochs)))


def translate(model: keras.Model) -> torch.nn.Sequential:
    """Return the layers of a Keras model that is a plain sequence, with weights of PyTorch's own.

    Images go through it as (n, 1, 28, 28), scores come out as (n, 10), without the softmax.

    Raises:
        PipelineError: it has a layer that none of the sequential networks has.
    """
    return torch.nn.Sequential(*(part for layer in model.layers[1:] for part in _layer(layer)))


def _layer(layer: keras.Layer) -> list[torch.nn.Module]:
    """Return what does the same."""
    shape, nn = layer.input.shape, torch.nn
    match layer:
        case keras.layers.Conv2D():
            size, bias = layer.kernel_size, layer.use_bias
            return [nn.Conv2d(shape[-1], layer.filters, size, bias=bias), *_activation(layer)]
        case keras.layers.Dense():
            return [nn.Linear(shape[-1], layer.units, bias=layer.use_bias), *_activation(layer)]
        case keras.layers.BatchNormalization():
            return [(nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[-1])]
        case keras.layers.ReLU():
            return [nn.ReLU()]
        case keras.layers.MaxPooling2D():
            return [nn.MaxPool2d(layer.pool_size)]
        case keras.layers.ZeroPadding2D():
            return [nn.ZeroPad2d(layer.padding[0][0])]
        case keras.layers.Dropout():
            return [nn.Dropout(layer.rate)]
        case keras.layers.Flatten():
            return [nn.Flatten()]
        case keras.layers.Rescaling():
            return []  # of no weight in time
    raise PipelineError(f"{type(layer).__name__} has no counterpart in PyTorch here")


def _activation(layer: keras.Layer) -> list[torch.nn.Module]:
    """Return what follows a layer's sum; the softmax is part of the loss."""
    name = keras.activations.serialize(layer.activation)
    return {"linear": [], "relu": [torch.nn.ReLU()], "softmax": []}[name]


def train(model: keras.Model, recipe: Architecture, data: Dataset, epochs: int) -> list[float]:
    """Train, predict dev after every epoch, and return when each epoch ended, in seconds."""
    network = translate(model)
    optimizer = OPTIMIZERS[recipe.optimizer.name](network.parameters(), lr=measuring.RATE)
    entropy = torch.nn.CrossEntropyLoss()
    (images, labels), (dev_images, dev_labels) = (
        (torch.from_numpy(data.images[rows][:, None]), torch.from_numpy(data.labels[rows]).long())
        for rows in (data.rows["train"], data.rows["dev"])
    )
    ends = []
    for epoch in range(1, epochs + 1):
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
        print(f"epoch {epoch}: loss {loss / len(labels):.4f}, accuracy {right / len(labels):.4f}")
        network.eval()
        with torch.no_grad():
            for rows in torch.arange(len(dev_labels)).split(recipe.batch_size):
                entropy(network(dev_images[rows]), dev_labels[rows])
        ends.append(time.perf_counter())
    return ends


if __name__ == "__main__":
    run_stage("bench", main)
