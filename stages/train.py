"""Train one architecture.

Reads data/standardized/ and data/split.csv; writes models/<name>/model.keras and, after every
epoch, plots/train/<name>.csv. An interrupted training goes on from checkpoints/<name>.npz.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from digits import dataset, determinism, model_file, networks, params, training
from digits.errors import run_stage
from digits.files import write_csv
from digits.params import Architecture


def main() -> None:
    """Train the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    values = params.load()
    settings = params.architecture(values, name)
    determinism.pin(values.seed, values.threads)

    standardized, split = Path("data/standardized"), Path("data/split.csv")
    data = dataset.load(standardized, split)
    model = networks.build(name, settings, data.mean, data.deviation)
    checkpoint = Path(f"checkpoints/{name}.npz")
    curves = Path(f"plots/train/{name}.csv")
    print(f"{name}: {model.count_params():,} parameters, {len(data.rows['train']):,} images")
    training.fit(
        model,
        settings,
        data,
        values.seed,
        checkpoint,
        identify(settings, values.seed, values.threads, [standardized / "statistics.json", split]),
        lambda table: write_csv(curves, rounded(table)),
    )
    model_file.save(model, Path(f"models/{name}/model.keras"))
    checkpoint.unlink()
    last = pd.read_csv(curves).iloc[-1]
    print(
        f"{name}: dev accuracy {last['dev_accuracy']:.4f} after {last['epoch']:.0f} epochs; "
        f"wrote models/{name}/model.keras and {curves}"
    )


def identify(settings: Architecture, seed: int, threads: int, files: list[Path]) -> str:
    """Return a SHA-256 of all that determines a training.

    That is: settings, seed, threads, the content of ``files``, this project's modules in use, and
    the versions of the libraries that compute.
    """
    modules = [
        m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in ("digits", "stages")
    ]
    digest = hashlib.sha256(settings.model_dump_json().encode())
    digest.update(repr((seed, threads)).encode())
    digest.update(repr((tf.__version__, keras.__version__, np.__version__)).encode())
    for path in [*files, Path(__file__), *sorted(Path(m) for m in modules if m)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def rounded(curves: pd.DataFrame) -> pd.DataFrame:
    """Round the curves to seven significant digits, what float32 holds."""
    figures = curves.drop(columns="epoch").map(lambda value: float(f"{value:.7g}"))
    return curves[["epoch"]].join(figures)


if __name__ == "__main__":
    run_stage("train", main)
