"""The schema of the study's params.yaml, and a training by one of its recipes."""

import copy
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from digits import config, networks, tables
from digits.config import Architecture, Count, Plateau, Section
from digits.data.splits import shuffle
from digits.errors import PipelineError
from digits.evaluation import predict
from digits.training import checkpoint, determinism, fit
from studies import jobs, workspace

PATH = Path("studies/accuracy/params.yaml")
CHECKPOINTS = Path("checkpoints/accuracy")
SPLIT_SEED = 0  # of which training images are dev
TRAINING, TESTING = 0, 1  # the sources of `jobs.Images`
SHIFTS = 0, 1  # pixels to every side by which what is read may be moved
WATCHED = 100  # training images that Keras watches in place of dev, on which nothing depends

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Study(Section):
    """Recipes: changes of ``base``, by dotted keys; ``chosen`` has those to report, by purpose.

    A recipe's ``shifts`` is of `read` (0 without it), for the test images.

    ``dev``: how many of the 60,000 training images measure recipes before one is chosen;
    ``seeds``: of the trainings that are reported.
    """

    dev: Count
    seeds: Annotated[list[Count], Field(min_length=1)]
    base: Architecture
    recipes: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    chosen: Annotated[dict[Name, Name], Field(min_length=1)]

    @model_validator(mode="after")
    def _chosen_are_recipes(self) -> "Study":
        for purpose, name in self.chosen.items():
            if name not in self.recipes:
                raise ValueError(f"{purpose} must be one of the recipes; it is {name}")
        return self

    @model_validator(mode="after")
    def _shifts_are_known(self) -> "Study":
        for name in self.recipes:
            if self.shifts(name) not in SHIFTS:
                raise ValueError(
                    f"{name}.shifts must be one of {SHIFTS}; it is {self.shifts(name)}"
                )
        return self

    def shifts(self, name: str) -> Any:
        """Return how far a recipe's networks read the test images moved."""
        return self.recipes[name].get("shifts", 0)

    def settings(self, name: str) -> Architecture:
        """Return how to build and train by a recipe.

        Raises:
            PipelineError: no such recipe, or one that is impossible.
        """
        if name not in self.recipes:
            known = ", ".join(self.recipes)
            raise PipelineError(f"{PATH}: recipes has no {name}; it has {known}")
        content = copy.deepcopy(self.base.model_dump(mode="json", by_alias=True, exclude_none=True))
        content["schedule"].setdefault("momentum", None)
        for key, value in self.recipes[name].items():
            if key == "shifts":
                continue
            *parents, last = key.split(".")
            section: Any = content
            for parent in parents:
                section = section.get(parent) if isinstance(section, dict) else None
            if not isinstance(section, dict):
                raise PipelineError(f"{PATH}: recipes.{name}: {key} is not a known parameter")
            section[last] = value
        settings = config.check(Architecture, content, f"{PATH}: recipes.{name}")
        if settings.early_stopping or any(isinstance(p.schedule, Plateau) for p in settings.plan):
            raise PipelineError(
                f"{PATH}: recipes.{name}: plateau and early_stopping act on dev, which here only "
                "measures"
            )
        return settings


def load() -> Study:
    """Read and check the study's parameters.

    Raises:
        PipelineError: with key, what is expected and what is given.
    """
    return config.check(Study, config.read_yaml(PATH), str(PATH))


def divide(images: jobs.Images, dev: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row numbers of what is learned and of what is read, each ascending.

    Args:
        images: all of MNIST.
        dev: how many of its own training images are read, with the same share of each class; with
            0, all are learned, and its testing images are read.

    Raises:
        PipelineError: there are not so many.
    """
    training = np.flatnonzero(images.sources == TRAINING)
    if not dev:
        return training, np.flatnonzero(images.sources == TESTING)
    if dev >= len(training):
        raise PipelineError(
            f"{PATH}: dev must be below the {len(training)} training images, given {dev}"
        )
    queue = training[shuffle(images.labels[training], SPLIT_SEED)]
    return np.sort(queue[dev:]), np.sort(queue[:dev])


def train_and_read(
    study: Study, name: str, seed: int, dev: int, all_shifts: Iterable[int]
) -> tuple[keras.Model, list[NDArray[np.float32]], NDArray[np.uint8], Path]:
    """Train by a recipe, going on where an earlier attempt was stopped, and read `divide`'s rows.

    Returns:
        The network, for each of ``all_shifts`` what it reads, (n, 10), the labels, (n,), and the
        file with the training's state, to be removed when what came of it is written.
    """
    settings = study.settings(name)
    threads = config.load().threads
    determinism.pin(seed, threads)
    images = workspace.read_images()
    learned, unseen = divide(images, dev)
    data = jobs.standardize(images, {"train": learned, "dev": learned[:WATCHED], "test": unseen})
    model = networks.build(name, settings, data.mean, data.std)
    state = CHECKPOINTS / f"{name}-{seed}{'-dev' if dev else ''}.npz"
    curves = state.with_suffix(".csv")
    inputs = [workspace.PNG / f"{one}.zip" for one in ("training", "testing")]
    inputs += [Path(__file__), Path(jobs.__file__)]  # have a say in who is dev
    identity = checkpoint.identify([settings], seed, threads, inputs) + str(dev)

    def keep(table: pd.DataFrame) -> None:
        tables.write_curves(curves, table)

    fit.fit(model, settings, data, seed, state, identity, keep)
    rows = data.rows["test"]
    black = -data.mean / data.std
    readings = [read(model, data.images[rows], shifts, black) for shifts in all_shifts]
    return model, readings, data.labels[rows], state


def read(
    model: keras.Model, images: NDArray[np.float32], shifts: int, black: float
) -> NDArray[np.float32]:
    """Return the mean probabilities, (n, 10), of images read where they are and moved.

    Args:
        model: a trained network.
        images: standardized, (n, side, side).
        shifts: pixels up to which they are moved, up and down and to the sides; with 1 each is
            read nine times.
        black: the value of a black pixel.
    """
    side = images.shape[1]
    padded = np.pad(images, ((0, 0), (shifts, shifts), (shifts, shifts)), constant_values=black)
    places = itertools.product(range(2 * shifts + 1), repeat=2)
    moved = [predict.predict(model, padded[:, y : y + side, x : x + side]) for y, x in places]
    mean: NDArray[np.float32] = np.mean(moved, axis=0, dtype=np.float32)
    return mean


def multiplications(model: keras.Model) -> int:
    """Return the multiplications of one image's way through convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += layer.kernel.shape.num_elements() * int(np.prod(layer.output.shape[1:3]))
        elif isinstance(layer, keras.layers.Dense):
            total += layer.kernel.shape.num_elements()
    return total
