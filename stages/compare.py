"""Put all architectures of params.yaml side by side.

Reads metrics/<name>.json, plots/train/<name>.csv and data/predictions/<name>.csv of each, data/png/
and data/split.csv. Writes metrics/compare.json, the pictures and curves.csv in plots/compare/, and
plots/samples.png. Prints the comparison as a table.

In metrics/compare.json the architectures and their pairs are lists: these keep the order of
params.yaml, and `dvc metrics` passes over them, where it would show hundreds of columns.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits import config, tables
from digits.data import splits
from digits.data.png_archive import Archive
from digits.errors import PipelineError, run_stage
from digits.evaluation import comparison, figures, report, statistics
from digits.io import read_json, write_csv, write_json

METRICS = {"accuracy", "bias", "epochs", "loss", "parameters", "test_interval", "variance"}


def read_metrics(path: Path) -> dict[str, Any]:
    """Read what evaluate measured.

    Raises:
        PipelineError: there is no such file, or it holds something else.
    """
    try:
        metrics: dict[str, Any] = read_json(path)
    except FileNotFoundError:
        raise PipelineError(
            f"{path} is missing; `dvc repro evaluate@{path.stem}` measures {path.stem}, "
            "which params.yaml lists under architectures"
        ) from None
    except ValueError as error:
        raise PipelineError(f"{path} is not JSON: {error}") from None
    if not isinstance(metrics, dict) or not metrics.keys() >= METRICS:
        raise PipelineError(f"{path}: expected {', '.join(sorted(METRICS))}, as evaluate writes")
    return metrics


def read_correct(path: Path, images: int) -> NDArray[np.bool_]:
    """Read which images a network gets right, (images,).

    Raises:
        PipelineError: the predictions are of another number of images, or no predictions.
    """
    predictions = tables.read(path, tables.PREDICTIONS)
    if len(predictions) != images:
        raise PipelineError(
            f"{path}: expected {images} predictions, as many as the split has images, "
            f"found {len(predictions)}"
        )
    return (predictions["predicted"] == predictions["label"]).to_numpy()


def draw_samples(png: Path, rows: NDArray[np.int64], count: int, seed: int) -> Figure:
    """Draw ``count`` of the images with the given row numbers, and their labels."""
    chosen = np.random.RandomState(seed).permutation(rows)[:count]
    with Archive(png / "training.zip", png / "testing.zip") as archive:
        pictures = archive.read(chosen)
        return figures.images(pictures, [str(label) for label in archive.labels[chosen]])


def draw(architectures: list[dict[str, Any]], pairs: list[dict[str, Any]]) -> dict[str, Figure]:
    """Draw the comparison, by file name."""
    names = [one["name"] for one in architectures]
    test = [one["accuracy"]["test"] for one in architectures]
    p_values = pd.DataFrame(1.0, names, names)
    for pair in pairs:
        p_values.loc[pair["first"], pair["second"]] = pair["p_corrected"]
        p_values.loc[pair["second"], pair["first"]] = pair["p_corrected"]
    return {
        "accuracy.png": figures.accuracies(
            names,
            test,
            [(one["test_interval"]["low"], one["test_interval"]["high"]) for one in architectures],
            [report.claim(one["published"]) for one in architectures],
        ),
        "bias_variance.png": figures.bias_and_variance(
            names,
            [one["bias"] for one in architectures],
            [one["variance"] for one in architectures],
        ),
        "mcnemar.png": figures.comparisons(
            names, np.subtract.outer(test, test), p_values.to_numpy()
        ),
    }


def main() -> None:
    """Compare what evaluate wrote."""
    settings = config.load()
    split = splits.read(Path("data/split.csv"))
    rows = splits.sets(split)
    on_mnist = settings.dataset == "mnist"  # the only data set the sources report on
    claims = settings.compare.published if on_mnist else {}
    architectures, correct, curves = [], {}, {}
    for name in settings.architectures:
        metrics = read_metrics(Path("metrics") / f"{name}.json")
        published = claims.get(name, config.Published())
        architectures.append(comparison.describe(name, metrics, published))
        right = read_correct(Path("data/predictions") / f"{name}.csv", len(split))
        correct[name] = right[rows["test"]]
        curves[name] = tables.read(Path("plots/train") / f"{name}.csv", tables.CURVES)
    pairs = statistics.compare_pairs(correct)
    best = comparison.best(architectures)
    result = {"architectures": architectures, "best": best, "pairs": pairs}
    samples = draw_samples(
        Path("data/png"), rows["train"], settings.compare.samples_shown, settings.seed
    )

    figures.save(Path("plots/samples.png"), samples)
    for name, figure in draw(architectures, pairs).items():
        figures.save(Path("plots/compare") / name, figure)
    joined = comparison.join_curves(curves)
    figures.save(Path("plots/compare/curves.png"), figures.curves(joined))
    write_csv(Path("plots/compare/curves.csv"), joined)
    write_json(Path("metrics/compare.json"), result)
    print(report.markdown(result))


if __name__ == "__main__":
    run_stage("compare", main)
