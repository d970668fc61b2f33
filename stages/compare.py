"""Put all architectures of params.yaml side by side.

Reads data/predictions/<name>.npz and plots/train/<name>.csv of each, data/split.csv and
data/standardized/. Writes architectures.csv, phases.csv and pairs.csv in metrics/compare/, the
pictures in plots/compare/, and plots/samples.png. Prints the comparison as a table.
"""

from pathlib import Path

import numpy as np

from digits import config
from digits.data import dataset
from digits.errors import run_stage
from digits.evaluation import figures, metrics, predictions, report
from digits.io import CURVES, read_csv, write_csv


def main() -> None:
    """Compare what train wrote."""
    settings = config.load()
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    labels, rows = data.labels, data.rows
    predicted, curves = {}, {}
    for name in settings.architectures:
        path = Path(f"data/predictions/{name}.npz")
        predicted[name] = predictions.read(path, len(labels), rows)
        curves[name] = read_csv(Path(f"plots/train/{name}.csv"), CURVES)
    epochs = {name: len(curve) for name, curve in curves.items()}
    bayes_error = settings.datasets[settings.dataset].bayes_error
    family = {name: recipe.network for name, recipe in settings.architectures.items()}
    compared = metrics.tabulate(predicted, epochs, family, labels, rows, bayes_error)
    architectures, pairs = compared["architectures"], compared["pairs"]

    shuffled = np.random.RandomState(settings.seed).permutation(rows["train"])
    of_label = [shuffled[labels[shuffled] == label] for label in range(10)]
    few = min(settings.evaluate.samples_shown, *map(len, of_label))
    same = np.concatenate([one[:few] for one in of_label])
    pixels = np.rint(data.images[same] * data.std + data.mean).astype(np.uint8)

    figures.save(Path("plots/samples.png"), figures.samples(pixels, labels[same]))
    for name, figure in {
        "accuracy": figures.accuracies(architectures, len(rows["test"])),
        "bias_variance": figures.bias_and_variance(architectures),
        "curves": figures.curves(curves),
        "mcnemar": figures.comparisons(architectures, pairs),
    }.items():
        figures.save(Path(f"plots/compare/{name}.png"), figure)
    for name, table in compared.items():
        write_csv(Path(f"metrics/compare/{name}.csv"), table)
    print(report.markdown(architectures, pairs))


if __name__ == "__main__":
    run_stage("compare", main)
