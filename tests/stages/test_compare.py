"""Comparison of three architectures whose predictions are made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from digits import config
from digits.evaluation import predictions
from digits.io import CURVES
from tests.stages.conftest import Stage
from tests.workspace import ROOT, write_data, write_params

LABELS = np.arange(60) % 10
WRONG = {"lenet5_v1": [29, 30, 31], "dense": [29, *range(30, 50)], "mine": [31, 50]}
SETS = {"train": range(25), "dev": range(25, 30), "test": [*range(20, 25), *range(30, 60)]}
DENSE = config.read_yaml(ROOT / "params.yaml")["architectures"]["dense"]
PARAMS = {"architectures": dict.fromkeys(WRONG, DENSE), "export.architectures": ["mine"]}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with all that the stage reads, and files of an architecture long gone."""
    write_params(tmp_path, PARAMS | {"seed": 42})
    levels = np.arange(60, dtype=np.float32)[:, None, None] / 30
    write_data(tmp_path, np.broadcast_to(levels, (60, 28, 28)), LABELS, SETS)
    (tmp_path / "plots/train").mkdir(parents=True)
    for name, wrong in {**WRONG, "gone": []}.items():
        probabilities = np.eye(10)[(LABELS + np.isin(np.arange(60), wrong)) % 10]
        phases = np.stack(2 * [probabilities[25:]])[: 2 if name == "mine" else 0]
        path = tmp_path / f"data/predictions/{name}.npz"
        predictions.write(path, probabilities, 1000, phases, [])
        rows = [1, 1, 0.7, 0.5, 0.8, 0.8, 0.6, 0.7, 1], [2, 1, 0.5, 0.3, 0.9, 0.6, 0.4, 0.8, 1]
        curve = pd.DataFrame(rows, columns=CURVES).astype({"epoch": int, "phase": int})
        curve.to_csv(tmp_path / f"plots/train/{name}.csv", index=False)
    return tmp_path


def test_architectures_of_params_are_compared_in_their_order(workspace: Path, stage: Stage) -> None:
    lines = stage("compare")[0].splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == list(WRONG)
    assert "Best on dev: mine." in " ".join(lines)

    tables, pictures = workspace / "metrics/compare", workspace / "plots/compare"
    architectures = pd.read_csv(tables / "architectures.csv")
    assert architectures["architecture"].tolist() == list(WRONG)
    assert architectures["bias"].tolist() == [-0.0005] * 3  # from the Bayes error of mnist
    assert architectures["epochs"].tolist() == [2, 2, 2]
    assert pd.read_csv(tables / "phases.csv")["architecture"].tolist() == ["mine", "mine"]
    assert len(pd.read_csv(tables / "pairs.csv")) == 3

    shown = [*pictures.glob("*.png"), workspace / "plots/samples.png"]
    names = sorted(path.stem for path in shown)
    assert names == ["accuracy", "bias_variance", "curves", "mcnemar", "samples"]
    for path in shown:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors() or []) > 10
    outputs = {*tables.iterdir(), *pictures.iterdir(), *shown}
    written = {path: path.read_bytes() for path in outputs}
    stage("compare")
    assert {path: path.read_bytes() for path in written} == written

    write_params(workspace, PARAMS | {"seed": 1})
    stage("compare")
    changed = {path.name for path in written if path.read_bytes() != written[path]}
    assert changed == {"samples.png"}  # drawn by the seed
