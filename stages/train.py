"""Train one architecture.

Reads data/standardized/, data/split.csv, models/pretrained/<name>/ and
data/learning_rates/<name>.json; writes models/<name>/model.keras and, after every epoch,
plots/train/<name>.csv. Of a training in phases, models/<name>/phases/ has the network at the end of
each, and model.keras is the one that reads most dev images. An interrupted training goes on from
checkpoints/<name>.npz.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from digits import config, networks, tables
from digits.data import dataset
from digits.errors import PipelineError, run_stage
from digits.evaluation import predict, statistics
from digits.io import read_json, replacing
from digits.training import checkpoint, determinism, fit, layer_groups, model_file


def main() -> None:
    """Train the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    values = config.load()
    settings = config.architecture(values, name)
    determinism.pin(values.seed, values.threads)

    standardized, split = Path("data/standardized"), Path("data/split.csv")
    pretrained = Path("models/pretrained") / name
    learning_rate = Path(f"data/learning_rates/{name}.json")
    data = dataset.load(standardized, split)
    suggested = read_suggested(learning_rate)
    model = networks.build(name, settings, data.mean, data.deviation)
    layer_groups.load_pretrained(model, settings, pretrained)

    state, curves = Path(f"checkpoints/{name}.npz"), Path(f"plots/train/{name}.csv")
    ends = [Path(f"checkpoints/{name}-{n}.keras") for n, _ in enumerate(settings.plan, 1)]
    inputs = [standardized / "statistics.json", split, learning_rate, *pretrained.glob("*.h5")]
    print(f"{name}: {model.count_params():,} parameters, {len(data.rows['train']):,} images")
    fit.fit(
        model,
        settings,
        data,
        values.seed,
        state,
        checkpoint.identify([settings], values.seed, values.threads, inputs),
        lambda table: tables.write_curves(curves, table),
        suggested=suggested,
        on_phase=lambda number: model_file.save(model, ends[number - 1]),
    )
    kept = best_on_dev(ends, data) if len(ends) > 1 else 1
    folder = Path("models") / name
    copy(ends[kept - 1], folder / "model.keras")
    if len(ends) > 1:
        for number, end in enumerate(ends, 1):
            copy(end, folder / f"phases/{number}.keras")
    for file in (state, *ends):
        file.unlink()
    table = pd.read_csv(curves)
    last = table[table["phase"] == kept].iloc[-1]
    best = f", best at the end of phase {kept} of {len(ends)}" if len(ends) > 1 else ""
    print(
        f"{name}: {len(table)} epochs{best}; dev accuracy {last['dev_accuracy']:.4f} there; "
        f"wrote {folder}/model.keras and {curves}"
    )


def read_suggested(path: Path) -> float | None:
    """Read the learning rate that lr_find suggests, if it was asked to.

    Raises:
        PipelineError: the file holds something else.
        FileNotFoundError: there is no such file.
    """
    try:
        suggested = read_json(path)["suggested"]
    except (ValueError, TypeError, KeyError):
        raise PipelineError(f"{path}: expected suggested, as lr_find writes it") from None
    if suggested is not None and not (isinstance(suggested, float | int) and suggested > 0):
        raise PipelineError(f"{path}: expected a rate above 0 or null, found {suggested!r}")
    return suggested


def best_on_dev(paths: list[Path], data: dataset.Dataset) -> int:
    """Return the number, from 1, of the network with the highest dev accuracy, then lowest loss."""
    rows = data.rows["dev"]

    def merit(path: Path) -> tuple[float, float]:
        probabilities = predict.predict(predict.load_network(path), data.images[rows])
        right = probabilities.argmax(axis=1) == data.labels[rows]
        certainty = probabilities[range(len(rows)), data.labels[rows]]
        return statistics.accuracy(right), -statistics.cross_entropy(certainty)

    merits = [merit(path) for path in paths]
    return merits.index(max(merits)) + 1


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


if __name__ == "__main__":
    run_stage("train", main)
