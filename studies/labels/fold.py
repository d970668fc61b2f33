"""Training on all images but a part, and reading that part."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from digits.config import Architecture
from digits.evaluation import predict
from studies import jobs

WATCHED = 100  # training images that stand in for dev, which nothing here depends on
DECIMALS = 6


@dataclass(frozen=True)
class Fold:
    """A training: ``number``, from 0, says which of the ``folds`` parts is left out and read."""

    settings: Architecture
    number: int
    folds: int
    seed: int
    threads: int

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return f"part {self.number + 1} of {self.folds}, seed {self.seed}"

    @property
    def content(self) -> Any:
        """All that determines the result, beside images and code."""
        recipe = self.settings.model_dump_json()
        parts = sklearn.__version__, self.number, self.folds
        return recipe, parts, self.seed, self.threads

    @property
    def modules(self) -> list[str]:
        """The modules whose code determines the result."""
        return jobs.modules_of(__name__, [self.settings])

    def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
        """Return ``probabilities`` of the ten digits for the rows of `left_out`."""
        out = left_out(images.labels, self.number, self.folds, self.seed)
        learned = np.setdiff1d(np.arange(len(images.labels)), out)
        data = jobs.standardize(images, {"train": learned, "dev": learned[:WATCHED], "test": out})
        model = jobs.train(self.settings, data, self.seed, self.threads, folder)
        probabilities = predict.predict(model, data.images[data.rows["test"]])
        return {"probabilities": np.round(probabilities.astype(np.float64), DECIMALS).tolist()}


def left_out(labels: NDArray[np.uint8], number: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the rows that one training does not learn, ascending; each class has its share."""
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    rows: NDArray[np.int64] = list(parts.split(np.zeros(len(labels)), labels))[number][1]
    return rows
