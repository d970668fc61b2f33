"""What a trained network gets right and wrong, as tables and figures."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.data.dataset import Dataset
from digits.evaluation import predict, statistics


def tabulate(labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> pd.DataFrame:
    """Return one row per image: id, label, predicted, and the probabilities of these two digits."""
    ids = np.arange(len(labels))
    predicted = probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "id": ids,
            "label": labels,
            "predicted": predicted,
            "probability": probabilities[ids, predicted],
            "label_probability": probabilities[ids, labels],
        }
    )


def measure(
    predictions: pd.DataFrame, rows: dict[str, NDArray[np.int64]], bayes_error: float
) -> dict[str, Any]:
    """Return accuracy and loss of every set, the interval of the test accuracy, and the gaps.

    Args:
        predictions: as from `tabulate`.
        rows: row numbers of the images in each of train, dev, test and test_as_published.
        bayes_error: share of images that nobody can read, in [0, 1].
    """
    correct = (predictions["predicted"] == predictions["label"]).to_numpy()
    certainty = predictions["label_probability"].to_numpy()
    accuracy = {name: round(statistics.accuracy(correct[ids]), 6) for name, ids in rows.items()}
    loss = {name: round(statistics.cross_entropy(certainty[ids]), 6) for name, ids in rows.items()}
    unseen = correct[rows["test"]]
    low, high = statistics.wilson_interval(int(unseen.sum()), len(unseen))
    return {
        "accuracy": accuracy,
        "loss": loss,
        "test_interval": {"low": round(low, 6), "high": round(high, 6)},
        "bias": round(1 - accuracy["train"] - bayes_error, 6),
        "variance": round(accuracy["train"] - accuracy["dev"], 6),
        "test_gap": round(accuracy["dev"] - accuracy["test"], 6),
    }


def phase_ends(folder: Path) -> list[Path]:
    """Return the networks in ``folder``, one of each phase's end, in their order."""
    return sorted(folder.glob("*.keras"), key=lambda path: int(path.stem))


def measure_phases(folder: Path, data: Dataset) -> dict[str, dict[str, float]]:
    """Return dev and test accuracy of each network in ``folder``, the ends of phases, by number."""
    accuracies = {}
    for path in phase_ends(folder):
        model = predict.load_network(path)
        accuracies[path.stem] = {
            name: accuracy_of(model, data.images[rows], data.labels[rows])
            for name, rows in data.rows.items()
            if name in ("dev", "test")
        }
    return accuracies


def accuracy_of(
    model: keras.Model, images: NDArray[np.float32], labels: NDArray[np.uint8]
) -> float:
    """Return the accuracy on standardized images, (n, 28, 28), to six digits."""
    predicted = predict.predict(model, images).argmax(axis=1)
    return round(statistics.accuracy(predicted == labels), 6)


def worst_errors(predictions: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the ``count`` wrong predictions with the highest probability, the worst first."""
    wrong = predictions[predictions["predicted"] != predictions["label"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)
