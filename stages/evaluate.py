"""Measure a trained network on every set of images: ``python -m stages.evaluate NAME``.

Reads data/standardized/, data/split.csv, models/NAME/ and plots/train/NAME.csv. Writes
data/predictions/NAME.csv, metrics/NAME.json, and the pictures confusion.png and errors.png in
plots/evaluate/NAME/. Of a training in phases, the metrics hold dev and test accuracy at the end of
each; all other figures are of the phase that dev chose.
"""

import argparse
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits import dataset, determinism, inference, params, plotting, statistics, tables
from digits.errors import run_stage
from digits.files import write_csv, write_json


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


def measure_phases(folder: Path, data: dataset.Dataset) -> dict[str, dict[str, float]]:
    """Return dev and test accuracy of each network in ``folder``, the ends of phases, by number."""
    accuracies = {}
    for path in sorted(folder.glob("*.keras"), key=lambda path: int(path.stem)):
        model = inference.load_network(path)
        accuracies[path.stem] = {
            name: round(accuracy_of(model, data, data.rows[name]), 6) for name in ("dev", "test")
        }
    return accuracies


def accuracy_of(model: keras.Model, data: dataset.Dataset, rows: NDArray[np.int64]) -> float:
    """Return the accuracy on the images with the given row numbers."""
    predicted = inference.predict(model, data.images[rows]).argmax(axis=1)
    return statistics.accuracy(predicted == data.labels[rows])


def worst_errors(predictions: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the ``count`` wrong predictions with the highest probability, the worst first."""
    wrong = predictions[predictions["predicted"] != predictions["label"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def draw_errors(data: dataset.Dataset, errors: pd.DataFrame) -> Figure:
    """Draw wrongly read images with what they are and what the network took them for."""
    pictures = data.images[errors["id"].to_numpy()] * data.deviation + data.mean
    titles = [
        f"is {row.label}, read as {row.predicted}\n{row.probability:.2%} sure"
        for row in errors.itertuples()
    ]
    return plotting.images(pictures, titles)


def main() -> None:
    """Measure the network named on the command line."""
    parser = argparse.ArgumentParser(description="Measure a trained network.")
    parser.add_argument("name", help="an architecture in params.yaml")
    name = parser.parse_args().name
    settings = params.load()
    params.architecture(settings, name)
    determinism.pin(0, settings.threads)  # nothing here is random, but threads change roundings

    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    model = inference.load_network(Path("models") / name / "model.keras")
    predictions = tabulate(data.labels, inference.predict(model, data.images))
    unseen = predictions.iloc[data.rows["test"]]
    metrics = {
        **measure(predictions, data.rows, settings.evaluate.bayes_error),
        "parameters": model.count_params(),
        "epochs": len(tables.read(Path("plots/train") / f"{name}.csv", tables.CURVES)),
    }

    if phases := measure_phases(Path("models") / name / "phases", data):
        metrics["phases"] = phases

    pictures = Path("plots/evaluate") / name
    title = f"{name} on {len(unseen):,} test images it never saw"
    matrix = plotting.confusion(unseen["label"], unseen["predicted"], title)
    plotting.save(pictures / "confusion.png", matrix)
    errors = worst_errors(unseen, settings.evaluate.errors_shown)
    plotting.save(pictures / "errors.png", draw_errors(data, errors))
    write_csv(Path("data/predictions") / f"{name}.csv", predictions)
    write_json(Path("metrics") / f"{name}.json", metrics)
    print(_summary(name, metrics))


def _summary(name: str, metrics: dict[str, Any]) -> str:
    """Write the figures that matter in one line."""
    accuracy, interval = metrics["accuracy"], metrics["test_interval"]
    by_phase = "".join(
        f"; after phase {number}: dev {figures['dev']:.2%}, test {figures['test']:.2%}"
        for number, figures in metrics.get("phases", {}).items()
    )
    return (
        f"{name}: train {accuracy['train']:.2%}, dev {accuracy['dev']:.2%}, "
        f"test {accuracy['test']:.2%} (95 % interval {interval['low']:.2%} to "
        f"{interval['high']:.2%}), bias {metrics['bias']:+.2%}, variance {metrics['variance']:+.2%}"
        + by_phase
    )


if __name__ == "__main__":
    run_stage("evaluate", main)
