"""One training of a study: a recipe, a share of the images, a seed; and what came out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.config import Architecture, Split
from digits.data import splits
from digits.evaluation import metrics, predict
from studies import jobs

SETS = ("train", "dev", "test")


@dataclass(frozen=True)
class Trial:
    """A training.

    Attributes:
        setting: its name in the study.
        settings: the network and its recipe.
        split: how all images are divided.
        images: how many of the training images, drawn with the same share of every class and so
            that fewer are among more; None for all.
        seed: of weights, order, augmentation and dropout.
        threads: of TensorFlow.
    """

    setting: str
    settings: Architecture
    split: Split
    images: int | None
    seed: int
    threads: int

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"{self.setting}, {self.images or 'all'} images, seed {self.seed}"

    @property
    def content(self) -> Any:
        """All that determines the result, beside images and code."""
        recipe = self.settings.model_dump_json(), self.split.model_dump_json()
        return recipe, self.images, self.seed, self.threads

    @property
    def modules(self) -> list[str]:
        """The modules whose code determines the result."""
        return jobs.modules_of(__name__, [self.settings])

    def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
        """Train and measure.

        Returns:
            images: how many were trained on; epochs; and accuracy ([0, 1]) and loss (cross-entropy,
            nats) on train, dev, and on the test images never trained on, to six decimals.
        """
        rows = draw(images, self.split, self.images)
        data = jobs.standardize(images, rows)
        curves: list[pd.DataFrame] = []
        model = jobs.train(self.settings, data, self.seed, self.threads, folder, curves.append)
        probabilities = predict.predict(model, data.images)
        measured = metrics.measure(data.labels, probabilities, data.rows, bayes_error=0)
        return {
            "images": len(rows["train"]),
            "epochs": len(curves[-1]),
            **{f"{name}_accuracy": measured[name] for name in SETS},
            **{f"{name}_loss": measured[f"{name}_loss"] for name in SETS},
        }


def draw(images: jobs.Images, split: Split, count: int | None) -> dict[str, NDArray[np.int64]]:
    """Return the row numbers of train, dev and test, with ``count`` of those in train.

    Raises:
        PipelineError: the split is impossible with so many images.
    """
    rows = splits.sets(splits.divide(images.labels, images.sources, split))
    train = rows["train"]
    chosen = train[splits.shuffle(images.labels[train], split.seed)[:count]]
    return {"train": np.sort(chosen), "dev": rows["dev"], "test": rows["test"]}
