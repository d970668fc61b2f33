"""The backbone that a training starts from: from letters, from ImageNet, or from a file."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.config import Architecture, Augment, Phase
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.io import replacing, write_curves
from digits.training import layer_groups
from digits.training.fit import build, fit
from digits.transfer import imagenet, letters

SHOWN = 104  # letters in the picture, 26 in a row


def make_backbone(
    name: str, recipe: Architecture, data: Dataset, seed: int, threads: int, folder: Path
) -> Path:
    """Return a file with the weights of the backbone that a ``pretrained`` recipe asks for.

    Mean and standard deviation of ``data`` scale letters as they do digits; ``seed`` is that of the
    letters, and of the weights that learn them. ``folder`` is for the file, letters.csv (curves),
    letters.png, downloads and the state of a training on letters, which goes on from there. Raises
    PipelineError if the weights cannot be had, or are of another backbone.
    """
    target = folder / "backbone.weights.h5"
    if recipe.pretrained not in ("letters", "imagenet"):
        if not Path(recipe.pretrained).is_file():
            raise PipelineError(
                f"{recipe.pretrained} is missing; params.yaml has it as "
                f"architectures.{name}.pretrained"
            )
        return Path(recipe.pretrained)
    model = build(name, recipe, data, seed, threads)
    backbone = layer_groups.backbone(model, recipe.network)
    if recipe.pretrained == "letters":
        _learn_letters(model, recipe, data, seed, threads, folder)
    else:
        imagenet.load_backbone(backbone, imagenet.fetch(recipe.imagenet, folder))
    with replacing(target) as temporary:
        backbone.save_weights(temporary)
    return target


def _learn_letters(
    model: keras.Model, recipe: Architecture, data: Dataset, seed: int, threads: int, folder: Path
) -> None:
    """Train the backbone of ``model`` on letters; say how many of those held out it classifies."""
    how = recipe.letters
    images, labels = letters.draw(how.images, seed)
    with replacing(folder / "letters.png") as temporary:
        letters.contact_sheet(images[:SHOWN]).save(temporary)
    scaled = _as_dataset(images, labels, data)
    last = keras.layers.Dense(letters.CLASSES, activation="softmax", name="head_letters")
    classes = last(model.layers[-1].input)  # all other layers are shared
    with_letters = keras.Model(model.input, classes, name=f"{model.name}_letters")
    phase = Phase(epochs=how.epochs, schedule=how.schedule, learning_rate=how.learning_rate)
    changes = {
        "batch_size": how.batch_size,
        "augment": Augment(),
        "early_stopping": 0,
        "label_smoothing": 0,
        "phases": {"all": phase},
    }
    own, curves = recipe.model_copy(update=changes), folder / "letters.csv"
    note, state = partial(write_curves, curves), folder / "letters"
    fit(with_letters, own, scaled, seed, threads, state, on_curves=note)
    last = pd.read_csv(curves).iloc[-1]
    print(f"{model.name}: {last['dev_accuracy']:.2%} of {len(scaled.rows['dev']):,} letters")


def _as_dataset(images: NDArray[np.uint8], labels: NDArray[np.uint8], digits: Dataset) -> Dataset:
    """Scale letters as the digits are; the last tenth is ``dev``, the rest ``train``."""
    scaled = (images - np.float32(digits.mean)) / np.float32(digits.std)
    rows, held_out = np.arange(len(images)), len(images) // 10
    sets = {"train": rows[:-held_out], "dev": rows[-held_out:]}
    return Dataset(scaled, labels, digits.mean, digits.std, sets)
