"""Train one architecture: ``python -m stages.train NAME``.

Reads data/standardized/ and data/split.csv. Writes plots/train/NAME.csv after every epoch;
models/NAME/model.keras; and data/predictions/NAME.npz: the probabilities of all images, and layers.
Of a training in phases, models/NAME/phases/ has the network at the end of each, and model.keras is
the best on dev. Where a backbone learned letters or a range test suggested a learning rate,
models/NAME/ shows how. An interrupted training goes on from checkpoints/NAME/.
"""

import argparse
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as np

from digits import config
from digits.data import dataset
from digits.errors import INTERRUPTED, run_stage
from digits.evaluation import figures, predict, predictions
from digits.evaluation.outline import outline
from digits.io import CURVES, read_csv, replacing, write_csv, write_curves
from digits.training.identity import check_versions
from digits.training.train import Trained, best_on_dev, train


def main() -> None:
    """Train the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not as nohup has it
        signal.signal(signal.SIGINT, _end)
    values = config.load()
    recipe = config.architecture(values, name)
    check_versions(values.versions)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    curves = Path(f"plots/train/{name}.csv")
    state, folder = Path(f"checkpoints/{name}"), Path(f"models/{name}")
    note = partial(write_curves, curves)
    trained = train(name, recipe, data, values.seed, values.threads, state, note)
    kept = write_predictions(Path(f"data/predictions/{name}.npz"), trained, data)
    copy(trained.ends[kept], folder / "model.keras")
    if len(trained.ends) > 1:
        for number, end in enumerate(trained.ends, 1):
            copy(end, folder / f"phases/{number}.keras")
    if recipe.pretrained == "letters":
        for shown in ("letters.csv", "letters.png"):
            copy(state / shown, folder / shown)
    if trained.rates is not None and trained.learning_rate:
        rates = trained.rates.map(lambda value: float(f"{value:.7g}"))
        write_csv(folder / "range_test.csv", rates)
        picture = figures.range_test(trained.rates, trained.learning_rate)
        figures.save(folder / "range_test.png", picture)
    shutil.rmtree(state)
    table = read_csv(curves, CURVES)
    last = table[table["phase"] == kept + 1].iloc[-1]
    best = f", best at the end of phase {kept + 1}" if len(trained.ends) > 1 else ""
    print(
        f"{name}: {len(table)} epochs{best}; dev accuracy {last['dev_accuracy']:.4f} there; "
        f"wrote {folder}/model.keras, {curves} and its predictions"
    )


def _end(number: int, frame: object) -> None:
    """End at once: where Ctrl-C raises an exception inside TensorFlow, that may crash."""
    os.write(2, f"train: {INTERRUPTED}\n".encode())
    os._exit(130)


def write_predictions(path: Path, trained: Trained, data: dataset.Dataset) -> int:
    """Write what the network predicts; return the place of the phase that is best on dev."""
    models = [predict.load_network(end) for end in trained.ends]
    rows = predictions.phase_rows(data.rows)
    phases = np.empty((0, len(rows), 10), np.float32)
    kept = 0
    if len(models) > 1:
        phases = np.stack([predict.predict(model, data.images[rows]) for model in models])
        dev = np.isin(rows, data.rows["dev"])
        kept = best_on_dev([one[dev] for one in phases], data.labels[rows[dev]])
    whole = predict.predict(models[kept], data.images)
    predictions.write(path, whole, trained.parameters, phases, outline(models[kept]))
    return kept


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


if __name__ == "__main__":
    run_stage("train", main)
