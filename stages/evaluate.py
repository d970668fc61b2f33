"""Measure a trained network on every set of images: ``python -m stages.evaluate NAME``.

Reads data/standardized/, data/split.csv, models/NAME/ and plots/train/NAME.csv. Writes
data/predictions/NAME.csv, metrics/NAME.json, and the pictures confusion.png and errors.png in
plots/evaluate/NAME/. Of a training in phases, the metrics hold dev and test accuracy at the end of
each; all other figures are of the phase that dev chose.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from digits import config, tables
from digits.data import dataset
from digits.errors import run_stage
from digits.evaluation import figures, metrics, predict
from digits.io import write_csv, write_json
from digits.training import determinism


def draw_errors(data: dataset.Dataset, errors: pd.DataFrame) -> Figure:
    """Draw wrongly read images with what they are and what the network took them for."""
    pictures = data.images[errors["id"].to_numpy()] * data.std + data.mean
    titles = [
        f"is {row.label}, read as {row.predicted}\n{row.probability:.2%} sure"
        for row in errors.itertuples()
    ]
    return figures.images(pictures, titles)


def main() -> None:
    """Measure the network named on the command line."""
    parser = argparse.ArgumentParser(description="Measure a trained network.")
    parser.add_argument("name", help="an architecture in params.yaml")
    name = parser.parse_args().name
    settings = config.load()
    config.architecture(settings, name)
    determinism.pin(0, settings.threads)  # nothing here is random, but threads change roundings

    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    model = predict.load_network(Path("models") / name / "model.keras")
    predictions = metrics.tabulate(data.labels, predict.predict(model, data.images))
    unseen = predictions.iloc[data.rows["test"]]
    measured = {
        **metrics.measure(predictions, data.rows, settings.evaluate.bayes_error),
        "parameters": model.count_params(),
        "epochs": len(tables.read(Path("plots/train") / f"{name}.csv", tables.CURVES)),
    }
    if phases := metrics.measure_phases(Path("models") / name / "phases", data):
        measured["phases"] = phases

    pictures = Path("plots/evaluate") / name
    title = f"{name} on {len(unseen):,} test images it never saw"
    matrix = figures.confusion(unseen["label"], unseen["predicted"], title)
    figures.save(pictures / "confusion.png", matrix)
    errors = metrics.worst_errors(unseen, settings.evaluate.errors_shown)
    figures.save(pictures / "errors.png", draw_errors(data, errors))
    write_csv(Path("data/predictions") / f"{name}.csv", predictions)
    write_json(Path("metrics") / f"{name}.json", measured)
    print(_summary(name, measured))


def _summary(name: str, measured: dict[str, Any]) -> str:
    """Write the figures that matter in one line."""
    accuracy, interval = measured["accuracy"], measured["test_interval"]
    by_phase = "".join(
        f"; after phase {number}: dev {figures['dev']:.2%}, test {figures['test']:.2%}"
        for number, figures in measured.get("phases", {}).items()
    )
    return (
        f"{name}: train {accuracy['train']:.2%}, dev {accuracy['dev']:.2%}, "
        f"test {accuracy['test']:.2%} (95 % interval {interval['low']:.2%} to "
        f"{interval['high']:.2%}), bias {measured['bias']:+.2%}, "
        f"variance {measured['variance']:+.2%}" + by_phase
    )


if __name__ == "__main__":
    run_stage("evaluate", main)
