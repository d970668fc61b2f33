import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from digits.io import read_json
from studies.accuracy import summary
from studies.label_errors import LABEL_ERRORS

ROOT = Path(__file__).parents[3]


def certain(read: list[int], sure: float = 0.9) -> np.ndarray:
    """Return probabilities of networks that read so."""
    rest = (1 - sure) / 9
    return np.where(np.arange(10) == np.array(read)[:, None], sure, rest)


def test_single_networks_and_their_ensemble_are_measured() -> None:
    labels = np.array([1, 2, 3, 4], np.uint8)
    found = summary.describe(
        np.stack([certain([1, 2, 3, 9]), certain([1, 2, 9, 4], 0.8), certain([1, 2, 3, 4], 0.7)]),
        labels,
        "a",
    )
    assert found["single"]["accuracies"] == [0.75, 0.75, 1.0]
    assert found["single"]["mean"] == pytest.approx(0.833333)
    assert found["ensemble"]["accuracy"] == 1.0
    assert (found["ensemble"]["networks"], found["ensemble"]["misread"]) == (3, 0)
    assert found["ensemble"]["low"] < 1 == found["ensemble"]["high"]


def test_the_label_errors_can_be_left_out() -> None:
    labels = np.zeros(1000, np.uint8)
    read = np.zeros(1000, int)
    read[[947, 3]] = 1  # the first is a label error
    found = summary.describe(certain(read.tolist())[None], labels, "a")
    assert found["ensemble"]["misread"] == 2
    assert found["ensemble"]["label_errors_among_them"] == 1
    assert found["ensemble"]["without_label_errors"] == pytest.approx(1 - 1 / 999, abs=1e-6)
    assert len(set(LABEL_ERRORS)) == 15


@pytest.mark.slow
def test_a_study_is_tried_trained_and_put_together(project: Path) -> None:
    for folder in ("studies/accuracy", "docs"):
        (project / folder).mkdir(parents=True)
    shutil.copyfile(ROOT / "docs/accuracy.md", project / "docs/accuracy.md")
    content = yaml.safe_load((ROOT / "studies/accuracy/params.yaml").read_text(encoding="utf-8"))
    content.update(
        dev=300,
        seeds=[1, 2],
        recipes={"dense": {"network": "dense", "batch_norm": False}, "one": {"epochs": 1}},
        chosen={"swift": "dense"},
    )
    path = project / "studies/accuracy/params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")

    for recipe in ("dense", "one"):
        run(project, "trying", recipe, "1")
    tried = read_json(project / "studies/accuracy/tried/dense-1.json")
    assert tried["accuracy"] > 0.8
    assert tried["parameters"] == 407_050
    assert "runs has nothing of dense; `dvc repro" in run(project, "summary", status=1)
    for seed in "12":
        run(project, "run", "dense", seed)
    assert "one is not chosen" in run(project, "run", "one", "1", status=1)
    written = run(project, "summary")
    found = read_json(project / "studies/accuracy/summary.json")
    assert [one["recipe"] for one in found["tried"]] == ["dense", "one"]
    assert found["chosen"]["swift"]["ensemble"]["accuracy"] > 0.8
    assert found["chosen"]["swift"]["ensemble"]["networks"] == 2
    assert "| dense " in written
    assert "| dense " in (project / "docs/accuracy.md").read_text(encoding="utf-8")
    assert (project / "studies/accuracy/misread.png").stat().st_size > 1000


def run(project: Path, module: str, *arguments: str, status: int = 0) -> str:
    """Run a module of the study; return what it printed, or of a failure its message."""
    done = subprocess.run(
        [sys.executable, "-m", f"studies.accuracy.{module}", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_the_page_has_the_figures_of_the_summary() -> None:
    content = read_json(ROOT / "studies/accuracy/summary.json")
    page = (ROOT / summary.PAGE).read_text(encoding="utf-8").splitlines()
    table = summary.markdown(content["tried"], content["chosen"]).splitlines()
    assert [line for line in table if line not in page] == []
