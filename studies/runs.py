"""One run of a study: a recipe, the images it learns, a seed; and what comes of it."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from digits import networks
from digits.config import Architecture, Plateau, Split
from digits.data import scaling, splits
from digits.data.dataset import Dataset, Images
from digits.errors import PipelineError
from digits.evaluation import predict, statistics
from digits.io import replacing
from digits.training import layer_groups
from digits.training.fit import phases_of
from digits.training.identity import digest as digest_of
from digits.training.identity import identify, processor
from digits.training.train import train
from studies import study as schema
from studies.study import Small, Study

MEASURING = Path(__file__)  # code that changes what is measured of a network

Rows = dict[str, NDArray[np.int64]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A training and what is measured of it. It can be sent to another machine.

    ``split`` divides the images; with ``folds``, part ``fold``, from 0, is test instead. ``images``
    is how many training images are drawn, with the same share of every class and so that fewer are
    among more; None for all. ``part`` is which so many, from 0, where others learn other ones.
    ``seed`` is that of weights, order, augmentation, dropout and folds. The rest is as in a
    study.yaml.
    """

    setting: str
    recipe: Architecture
    split: Split
    images: int | None
    fold: int | None
    folds: int | None
    seed: int
    threads: int
    sets: tuple[str, ...]
    small: Small | None
    keep: str
    part: int = 0
    watch: str = "dev"

    @property
    def name(self) -> str:
        """What to call it in messages and files."""
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{self.setting}-{self.images or 'all'}{fold}-{self.seed}"

    def rows(self, images: Images) -> Rows:
        """Return the row numbers of train, dev, test, and test_as_published where it is measured.

        Raises PipelineError if the split is impossible with so many images, or there are too few.
        """
        if self.fold is not None and self.folds is not None:
            parts = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
            every = list(parts.split(np.zeros(len(images.labels)), images.labels))
            return {"train": every[self.fold][0], "dev": _none(), "test": every[self.fold][1]}
        rows = splits.sets(splits.divide(images.labels, images.sources, self.split))
        train, count = rows["train"], self.images
        begin = self.part * (count or 0)
        end = len(train) if count is None else begin + count
        if end > len(train):
            raise PipelineError(
                f"{self.setting}: expected at most {len(train)} images, as many as there are to "
                f"train on, given {end}"
            )
        chosen = train[splits.shuffle(images.labels[train], self.split.seed)[begin:end]]
        found = {"train": np.sort(chosen), "dev": rows[self.watch], "test": rows["test"]}
        published = "test_as_published"
        return found | {published: rows[published]} if published in self.sets else found

    def identity(self, images: Images) -> str:
        """Return the identity of the run: training, images, and what is measured."""
        digest = hashlib.sha256(images.digest.encode())
        for name, rows in self.rows(images).items():
            digest.update(name.encode() + rows.astype("<i8").tobytes())
        measured = self.sets, self.small and self.small.model_dump_json(), digest_of(MEASURING)
        return identify(self.recipe, digest.hexdigest(), self.seed, self.threads, *measured)

    @property
    def digest(self) -> str:
        """Tell the recipe from others, whatever the code."""
        return hashlib.sha256(
            self.recipe.model_dump_json(exclude_defaults=True).encode()
        ).hexdigest()[:12]

    def execute(self, images: Images, folder: Path) -> list[Row]:
        """Train and measure, going on from what ``folder`` has of this run.

        There is a row for each phase: images and epochs it was trained with, phase, parameters,
        macs (of one image's prediction), learning_rate (where a range test suggested one), and of
        each set accuracy ([0, 1]) and loss (cross-entropy, nats), to six decimals; processor.
        Writes kept.npz into the folder: of each set of images but train, at the end,
        ``<set>_correct``, packed bits, ``<set>_rounded``, probabilities in 1/255, uint8 (n, 10), or
        ``<set>_log_probabilities``, float16 (n, 10), natural logarithms; and ``curves``, float32
        (epochs, columns), as `fit` hands them on.
        """
        rows = self.rows(images)
        data = scaling.standardize(images, rows)
        phases, curves = list(phases_of(self.recipe).values()), [pd.DataFrame()]
        trained = train(
            self.recipe.network,
            self.recipe,
            data,
            self.seed,
            self.threads,
            folder / "state",
            curves.append,
        )
        found: list[Row] = []
        for number, (phase, end) in enumerate(zip(phases, trained.ends, strict=True), 1):
            model = predict.load_network(end)
            epochs = len(curves[-1]) if len(phases) == 1 else phase.epochs
            row = {
                "images": len(rows["train"]),
                "phase": number,
                "epochs": epochs,
                "parameters": trained.parameters,
                "macs": macs(model),
                "learning_rate": trained.learning_rate,
                "processor": processor(),
            }
            kept: dict[str, NDArray[np.generic]] = {}
            for name in self.sets:
                if name == "running":
                    last = curves[-1][curves[-1]["phase"] == number].iloc[-1]
                    row["running_accuracy"] = round(last["accuracy"], 6)
                    row["running_loss"] = round(last["cross_entropy"], 6)
                    continue
                probabilities, labels = self._predict(model, data, name)
                correct = probabilities.argmax(axis=1) == labels
                certainty = probabilities[range(len(labels)), labels]
                row[f"{name}_accuracy"] = round(statistics.accuracy(correct), 6)
                row[f"{name}_loss"] = round(statistics.cross_entropy(certainty), 6)
                if name == "train":
                    continue
                if self.keep != "probabilities":
                    kept[f"{name}_correct"] = np.packbits(correct)
                if self.keep == "rounded":
                    kept[f"{name}_rounded"] = np.rint(probabilities * 255).astype(np.uint8)
                if self.keep == "probabilities":
                    clipped = np.maximum(probabilities, statistics.SMALLEST_PROBABILITY)
                    kept[f"{name}_log_probabilities"] = np.log(clipped).astype(np.float16)
            found.append(row)
        kept["curves"] = curves[-1].to_numpy(np.float32)
        with replacing(folder / "kept.npz") as temporary:
            np.savez_compressed(temporary, **kept)  # type: ignore[arg-type]
        return found

    def _predict(
        self, model: keras.Model, data: Dataset, name: str
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return probabilities, (n, 10), and labels, (n,), of a set."""
        kind = name.removesuffix("_tta")
        rows = data.rows.get(kind, data.rows["test"])
        images = data.images[rows]
        if kind == "small" and self.small:
            images = shrink(images, data, self.small)
        if kind in ("divided_by_225", "own_statistics"):
            images = misscaled(images, data, kind)
        if kind == name:
            return predict.predict(model, images), data.labels[rows]
        return test_time_augmentation(model, images, -data.mean / data.std), data.labels[rows]


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


def expand(study: Study, name: str, images: Images) -> list[Run]:
    """Return the runs of a study, in the order of the settings.

    Raises PipelineError if one is not possible, with setting, what is expected and what is given.
    """
    runs = list(_expand(study, name))
    first: dict[str, str] = {}
    for run in runs:
        other = first.setdefault(run.identity(images), run.name)
        if other != run.name:
            raise PipelineError(f"studies/{name}/study.yaml: {other} and {run.name} are the same")
    return runs


def _expand(study: Study, name: str) -> Iterator[Run]:
    folds: list[int | None] = [None] if study.folds is None else [*range(study.folds)]
    for setting, values, recipe in schema.recipes(study, name):
        try:
            layer_groups.check(setting, recipe)
            networks.build(setting, recipe, mean=33, std=79)
        except PipelineError as error:
            raise PipelineError(f"studies/{name}/study.yaml: {setting}: {error}") from None
        schedules = [phase.schedule for phase in phases_of(recipe).values()]
        watches = recipe.early_stopping or any(isinstance(one, Plateau) for one in schedules)
        own = study.settings[setting]
        if watches and (study.folds or not values.split.dev or own.watch == "test"):
            raise PipelineError(
                f"studies/{name}/study.yaml: {setting}: expected a schedule other than plateau and "
                "early_stopping 0: both act on dev, which has no images here, or those of test"
            )
        for number, seed, fold in itertools.product(study.images, own.seeds or study.seeds, folds):
            yield Run(
                setting,
                recipe,
                values.split,
                None if number == "all" else number,
                fold,
                study.folds,
                seed,
                study.threads,
                tuple(own.sets or study.sets),
                study.small,
                own.keep or study.keep,
                seed - 1 if study.disjoint else 0,
                own.watch,
            )


def test_time_augmentation(
    model: keras.Model, images: NDArray[np.float32], black: float
) -> NDArray[np.float32]:
    """Return the mean probabilities, (n, 10), of images where they are and moved by a pixel."""
    size = images.shape[1]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=black)
    places = itertools.product(range(3), repeat=2)
    moved = [predict.predict(model, padded[:, y : y + size, x : x + size]) for y, x in places]
    mean: NDArray[np.float32] = np.mean(moved, axis=0, dtype=np.float32)
    return mean


def shrink(images: NDArray[np.float32], data: Dataset, small: Small) -> NDArray[np.float32]:
    """Return images made smaller and put anywhere they fit, standardized, (n, 28, 28).

    Each is shrunk, frame and all, and lies in a black image at a place drawn uniformly.
    """
    rng = np.random.default_rng(small.seed)
    size = images.shape[1]
    lowest, highest = round(small.lowest * size), round(small.highest * size)
    pixels = np.rint(images * data.std + data.mean).astype(np.uint8)
    result = np.zeros_like(pixels)
    for image, canvas in zip(pixels, result, strict=True):
        side = int(rng.integers(lowest, highest + 1))
        smaller = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        top, left = rng.integers(0, size - side + 1, 2)
        canvas[top : top + side, left : left + side] = np.asarray(smaller)
    scaled: NDArray[np.float32] = (result - np.float32(data.mean)) / np.float32(data.std)
    return scaled


def misscaled(images: NDArray[np.float32], data: Dataset, how: str) -> NDArray[np.float32]:
    """Return images scaled in another way than those for training, (n, 28, 28).

    ``divided_by_225`` where those were divided by 255; or standardized by their ``own_statistics``.
    """
    mean, std = np.float32(data.mean), np.float32(data.std)
    pixels = images * std + mean
    if how == "divided_by_225":
        return (pixels * np.float32(255 / 225) - mean) / std
    own = pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64)
    return (pixels - np.float32(own[0])) / np.float32(own[1])


def macs(model: keras.Model) -> int:
    """Return the multiply-accumulates of one image's prediction, in Conv2D and Dense layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += layer.kernel.shape.num_elements() * int(np.prod(layer.output.shape[1:3]))
        elif isinstance(layer, keras.layers.Dense):
            total += layer.kernel.shape.num_elements()
    return total
