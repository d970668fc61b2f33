"""Comparison of three architectures whose predictions are made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits.data import png_archive
from digits.evaluation import predictions
from digits.io import CURVES
from tests.stages.running import ROOT, run

LABELS = np.arange(60) % 10
WRONG = {"lenet5_v1": [29, 30, 31], "dense": [29, *range(30, 50)], "mine": [31, 50]}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with all that the stage reads, and files of an architecture long gone."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    settings["architectures"] = dict.fromkeys(WRONG, settings["architectures"]["dense"])
    settings["export"]["architectures"] = ["mine"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))

    ids = np.arange(60)
    dev = (ids >= 25) & (ids < 30)
    split = pd.DataFrame({"id": ids, "label": LABELS, "train": ids < 25, "dev": dev})
    pixels = np.broadcast_to(ids[:, None, None] * 4, (60, 28, 28)).astype(np.uint8)
    png_archive.write(tmp_path / "data/png/training.zip", pixels[:40], LABELS[:40], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", pixels[40:], LABELS[40:], 40)
    split = split.assign(test=(ids >= 20) & ~dev).astype(int)
    split.to_csv(tmp_path / "data/split.csv", index=False)

    (tmp_path / "plots/train").mkdir(parents=True)
    for name, wrong in {**WRONG, "gone": []}.items():
        probabilities = np.eye(10)[(LABELS + np.isin(ids, wrong)) % 10]
        phases = np.stack(2 * [probabilities[25:]])[: 2 if name == "mine" else 0]
        path = tmp_path / f"data/predictions/{name}.npz"
        predictions.write(path, probabilities, 1000, phases, [])
        rows = [1, 1, 0.7, 0.5, 0.8, 0.8, 0.6, 0.7, 1], [2, 1, 0.5, 0.3, 0.9, 0.6, 0.4, 0.8, 1]
        curve = pd.DataFrame(rows, columns=CURVES).astype({"epoch": int, "phase": int})
        curve.to_csv(tmp_path / f"plots/train/{name}.csv", index=False)
    return tmp_path


def test_stage_compares_the_architectures_of_params_in_their_order(workspace: Path) -> None:
    first = run(workspace, "compare")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == list(WRONG)
    assert "Best on dev: mine." in lines

    folder = workspace / "metrics/compare"
    architectures = pd.read_csv(folder / "architectures.csv", index_col="architecture")
    assert list(architectures.index) == list(WRONG)
    assert architectures[["parameters", "epochs", "dev", "bias"]].to_numpy().tolist() == [
        [1000, 2, dev, -0.0005] for dev in (0.8, 0.8, 1)
    ]
    phases = pd.read_csv(folder / "phases.csv").to_numpy().tolist()
    assert phases == [["mine", number, 1, 0.933333] for number in (1, 2)]
    pairs = pd.read_csv(folder / "pairs.csv")
    assert pairs["only_first"].tolist() == [18, 1, 1]

    curves = pd.read_csv(workspace / "plots/compare/curves.csv")
    assert list(dict.fromkeys(curves["architecture"])) == list(WRONG)

    outputs = [*folder.iterdir(), *(workspace / "plots/compare").iterdir()]
    written = {path: path.read_bytes() for path in [*outputs, workspace / "plots/samples.png"]}
    assert sorted(path.stem for path in written if path.suffix == ".png") == [
        "accuracy",
        "bias_variance",
        "curves",
        "mcnemar",
        "samples",
    ]
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert len(picture.convert("L").getcolors() or []) > 10
    assert run(workspace, "compare").returncode == 0
    assert {path: path.read_bytes() for path in written} == written


def test_an_architecture_without_predictions_ends_the_stage_before_it_writes(
    workspace: Path,
) -> None:
    (workspace / "data/predictions/dense.npz").unlink()
    ended = run(workspace, "compare")
    assert ended.returncode == 1
    assert ended.stderr.startswith("compare: data/predictions/dense.npz is missing; `dvc repro")
    assert not (workspace / "plots/compare").exists()


def test_the_samples_follow_from_the_seed(workspace: Path) -> None:
    def drawn(seed: int) -> bytes:
        path = workspace / "params.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(settings | {"seed": seed}, sort_keys=False))
        assert run(workspace, "compare").returncode == 0
        return (workspace / "plots/samples.png").read_bytes()

    assert drawn(1) == drawn(1) != drawn(2)
