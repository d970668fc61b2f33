import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits.evaluation import predictions
from digits.evaluation.predictions import Step
from tests.stages.running import ROOT, run

LABELS = np.arange(40) % 10
WRONG = [3, 18, 20, 21, 30, 31, 32, 33]
SETS = {"train": range(20), "dev": range(20, 28), "test": [*range(16, 20), *range(28, 40)]}
STEPS = [Step("Input", (28, 28, 1), 0, ()), Step("Dense 10, softmax", (10,), 7850, (0,))]
# Six lines of a user's own, each of which would show in a picture.
USERS = """
axes.facecolor: black
font.size: 18
font.family: serif
lines.linewidth: 5
savefig.bbox: tight
text.color: red
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with all that the stage reads."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    settings["datasets"]["mnist"]["bayes_error"] = 0.0025
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    (tmp_path / "data/standardized").mkdir(parents=True)
    pixels = np.random.default_rng(0).normal(size=(40, 28, 28)).astype(np.float32)
    np.save(tmp_path / "data/standardized/images.npy", pixels)
    (tmp_path / "data/standardized/statistics.json").write_text('{"mean": 33, "deviation": 78}')
    flags = {name: np.isin(np.arange(40), list(ids)).astype(int) for name, ids in SETS.items()}
    split = pd.DataFrame({"id": np.arange(40), "label": LABELS, **flags})
    split.to_csv(tmp_path / "data/split.csv", index=False)
    probabilities = np.eye(10)[(LABELS + np.isin(np.arange(40), WRONG)) % 10]
    path = tmp_path / "data/predictions/dense.npz"
    predictions.write(path, probabilities, 7850, np.empty((0, 20, 10)), STEPS)
    return tmp_path


def test_stage_writes_the_figures_and_the_pictures_whatever_a_users_matplotlibrc_says(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(workspace, "evaluate", "dense")
    assert first.returncode == 0, first.stderr
    assert first.stdout == (
        "dense: train 90.00%, dev 75.00%, test 66.67% (95 % interval 39.06% to 86.19%), "
        "bias +9.75%, variance +15.00%\n"
    )
    assert json.loads((workspace / "metrics/dense.json").read_text()) == {
        "train": 0.9,
        "dev": 0.75,
        "test": 0.666667,
        "test_as_published": 0.6875,
        "test_loss": pytest.approx(-np.log(1e-7) / 3, abs=2e-6),
        "bias": 0.0975,
        "variance": 0.15,
    }
    written = [
        workspace / "metrics/dense.json",
        *(workspace / "plots/evaluate/dense" / name for name in ("confusion.png", "errors.png")),
        workspace / "plots/networks/dense.png",
    ]
    for path in written[1:]:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 150
    content = [path.read_bytes() for path in written]
    (workspace / "matplotlibrc").write_text(USERS)
    monkeypatch.setenv("MATPLOTLIBRC", str(workspace))
    assert run(workspace, "evaluate", "dense").returncode == 0
    assert [path.read_bytes() for path in written] == content


def test_predictions_of_another_split_end_the_stage_before_it_writes(workspace: Path) -> None:
    path = workspace / "data/predictions/dense.npz"
    predictions.write(path, np.zeros((39, 10)), 7850, np.empty((0, 20, 10)), STEPS)
    ended = run(workspace, "evaluate", "dense")
    assert ended.returncode == 1
    assert ended.stderr == (
        "evaluate: data/predictions/dense.npz: expected probabilities as float32 (40, 10), "
        "found float32 (39, 10)\n"
    )
    assert not (workspace / "metrics").exists()


def test_neither_evaluate_nor_compare_imports_tensorflow() -> None:
    code = "import stages.evaluate, stages.compare, sys; print(*sys.modules)"
    imported = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    assert "stages.compare" in imported
    assert not {"tensorflow", "keras"} & set(imported)
