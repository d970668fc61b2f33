"""The body that a training starts from: from letters, from ImageNet, or from a file."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits import networks, tables
from digits.config import Architecture, Augment, Params, Phase, Pretrain
from digits.data import dataset
from digits.errors import PipelineError
from digits.io import replacing
from digits.training import checkpoint, fit, layer_groups
from digits.transfer import imagenet, letters

NO_CHANGES = Augment(rotation=0, zoom=0, shift=0, slant=0, thin=0, thick=0, variants=0)
SHOWN = 104  # letters in the picture, 26 in a row


def make_body(
    name: str, values: Params, mean: float, deviation: float, folder: Path, state: Path
) -> tuple[keras.Model, str]:
    """Return the body of an architecture with the weights its ``pretrained`` asks for.

    Args:
        name: of an architecture that is ``pretrained``.
        values: the parameters.
        mean: of the training digits' pixels, in grey levels; letters are scaled alike.
        deviation: likewise.
        folder: where curves.csv and letters.png go, if letters are learned.
        state: the file that an interrupted training on letters goes on from; downloads lie
            beside it.

    Returns:
        The body, and in a few words where its weights are from.

    Raises:
        PipelineError: the weights cannot be had, or are of another body.
    """
    settings = values.architectures[name]
    layer_groups.check(name, settings)
    model = networks.build(name, settings, mean, deviation)
    body = layer_groups.body(model, settings.network)
    if settings.pretrained == "glyphs":
        images, labels = letters.draw(values.pretrain.images, values.seed)
        with replacing(folder / "letters.png") as temporary:
            letters.contact_sheet(images[:SHOWN]).save(temporary)
        data = _as_dataset(images, labels, mean, deviation)
        origin = _learn_letters(model, data, values, folder, state)
    elif settings.pretrained == "imagenet":
        imagenet.load_body(body, imagenet.fetch(values.pretrain.imagenet, state.parent))
        origin = f"learned on ImageNet, from {values.pretrain.imagenet.url}"
    else:
        path = Path(settings.pretrained)
        if not path.is_file():
            raise PipelineError(
                f"{path} is missing; params.yaml has it as architectures.{name}.pretrained"
            )
        layer_groups.load_body(model, settings.network, path)
        origin = f"from {settings.pretrained}"
    return body, origin


def _as_dataset(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], mean: float, deviation: float
) -> dataset.Dataset:
    """Scale letters as the digits are; the last tenth is ``dev``, the rest ``train``."""
    scaled = (images - np.float32(mean)) / np.float32(deviation)
    rows, held_out = np.arange(len(images)), len(images) // 10
    sets = {"train": rows[:-held_out], "dev": rows[-held_out:]}
    return dataset.Dataset(scaled, labels, mean, deviation, sets)


def _learn_letters(
    model: keras.Model, data: dataset.Dataset, values: Params, folder: Path, state: Path
) -> str:
    """Train the body of ``model`` on letters; say how well it reads those held out."""
    recipe = _recipe(values.architectures[model.name], values.pretrain)
    identity = checkpoint.identify([recipe, values.pretrain], values.seed, values.threads, [])
    identity += hashlib.sha256(data.images.tobytes()).hexdigest()  # fonts and scaling decide these
    curves = folder / "curves.csv"
    fit.fit(
        _with_letters(model),
        recipe,
        data,
        values.seed,
        state,
        identity,
        lambda table: tables.write_curves(curves, table),
    )
    last = pd.read_csv(curves).iloc[-1]
    return f"which reads {last['dev_accuracy']:.2%} of {len(data.rows['dev']):,} letters held out"


def _with_letters(model: keras.Model) -> keras.Model:
    """Return a model that shares all layers of ``model`` but the last: it tells 26 letters."""
    last = keras.layers.Dense(letters.CLASSES, activation="softmax", name="head_letters")
    return keras.Model(model.input, last(model.layers[-1].input), name=f"{model.name}_letters")


def _recipe(settings: Architecture, section: Pretrain) -> Architecture:
    """Return the architecture with the training that ``section`` describes."""
    phase = Phase(
        epochs=section.epochs,
        schedule=section.schedule,
        learning_rate=section.learning_rate,
        trainable="all",
    )
    changes = {"batch_size": section.batch_size, "augment": NO_CHANGES, "early_stopping": 0}
    return settings.model_copy(update={**changes, "phases": [phase]})
