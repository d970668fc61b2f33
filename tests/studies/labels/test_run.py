import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from digits.config import check
from digits.errors import PipelineError
from studies import jobs
from studies.labels import confident, run
from studies.labels.fold import left_out
from tests.studies.conftest import ROOT


@pytest.fixture
def content() -> Any:
    return yaml.safe_load((ROOT / "studies/labels/study.yaml").read_text(encoding="utf-8"))


def test_every_image_is_left_out_once_and_classes_are_shared_out() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 1000).astype(np.uint8)
    parts = [left_out(labels, number, 5, seed=1) for number in range(5)]
    assert sorted(np.concatenate(parts)) == list(range(1000))
    counts = np.array([np.bincount(labels[part], minlength=10) for part in parts])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    assert set(left_out(labels, 0, 5, seed=2)) != set(parts[0])


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("folds", 1, r"study\.yaml: folds: Input should be greater than or equal to 2"),
        ("seeds", [1, 1], r"study\.yaml: seeds: each must be there once"),
        ("fold", 3, r"study\.yaml: fold is not a known parameter"),
        ("changes", {"architectures.lenet5_v2.l3": 1}, r"l3 is not a known parameter"),
        ("changes", {"seed": 1}, r"changes that begin with architectures\.lenet5_v2\., given seed"),
        ("changes", {}, "a schedule other than plateau"),
        (
            "changes",
            {
                "architectures.lenet5_v2.schedule": {"name": "constant"},
                "architectures.lenet5_v2.early_stopping": 3,
            },
            "early_stopping 0",
        ),
    ],
)
def test_bad_studies_are_told_by_key(
    content: Any, key: str, value: Any, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    content[key] = value
    path = Path("studies/labels/study.yaml")
    with pytest.raises(PipelineError, match=complaint):
        run.read_recipe(check(run.Labels, content, str(path)), path)


def test_the_figures_follow_from_probabilities() -> None:
    labels = np.tile(np.arange(10), 300).astype(np.uint8)
    images = jobs.Images(np.zeros((3000, 28, 28), np.uint8), labels, labels * 0 + 1)
    probabilities = np.full((3000, 10), 0.01)
    probabilities[np.arange(3000), labels] = 0.91
    probabilities[0] = np.where(np.arange(10) == 6, 0.955, 0.005)  # surely a 6
    probabilities[947] = 0.1  # a label that people did not confirm; it could be any digit
    probabilities[1621] = np.where(np.arange(10) == 8, 0.955, 0.005)  # one that surely is an 8
    table = confident.doubtful(labels, probabilities)
    summary = run.describe(images, probabilities, table)
    assert list(table["id"]) == [0, 1621]
    assert summary["bayes_error"] == pytest.approx(2 / 3000, abs=1e-6)
    assert summary["misread"] == pytest.approx(3 / 3000, abs=1e-6)
    assert summary["doubtful_share_low"] < 2 / 3000 < summary["doubtful_share_high"]
    assert summary["expected_error"] == pytest.approx(0.09, abs=1e-3)
    unconfirmed = summary["unconfirmed"]
    assert (unconfirmed["images"], unconfirmed["doubtful"], unconfirmed["misread"]) == (7, 1, 2)
    assert "| 0.067 [0.018, 0.243] |" in run.markdown(summary)


@pytest.mark.slow
def test_wrong_labels_are_found(project: Path, images: jobs.Images, content: Any) -> None:
    """Five labels of optdigits are made wrong; networks that never saw them tell."""
    wrong = {10: 5, 300: 1, 700: 8, 1100: 4, 1500: 0}
    png = project / "data/png"
    corrupt(png.resolve(), project / "wrong", wrong)
    png.unlink()
    (project / "wrong").rename(png)
    content |= {"epochs": 12, "folds": 3, "seeds": [1], "architecture": "lenet5", "shown": 9}
    content["changes"] = {"architectures.lenet5.optimizer.learning_rate": 0.002}
    (project / "studies/labels").mkdir(parents=True)
    (project / "studies/labels/study.yaml").write_text(yaml.safe_dump(content))
    (project / "docs").mkdir()
    (project / "docs/labels.md").write_text(
        "a\n<!-- made by `dvc repro studies/labels/dvc.yaml` -->\n<!-- end -->\nz\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "studies.labels.run"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = project / "studies/labels"
    table = pd.read_csv(folder / "doubtful.csv").set_index("id")
    found = wrong.keys() & set(table.index)
    assert len(found) >= 4
    assert {row: table.suggested[row] for row in found} == {
        row: images.labels[row] for row in found
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["images"] == 1797
    assert summary["doubtful"] == len(table) < 40
    page = (project / "docs/labels.md").read_text()
    assert page.startswith("a\n")
    assert run.markdown(summary) in page
    assert (folder / "sheet.png").stat().st_size > 10_000


def corrupt(source: Path, target: Path, wrong: dict[int, int]) -> None:
    """Copy the PNGs with other labels for the images in ``wrong``."""
    import zipfile

    target.mkdir()
    for path in source.glob("*.zip"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(target / path.name, "w") as new:
            for entry in old.infolist():
                folder, label, name = entry.filename.split("/")
                number = int(name.removesuffix(".png"))
                new.writestr(f"{folder}/{wrong.get(number, label)}/{name}", old.read(entry))
