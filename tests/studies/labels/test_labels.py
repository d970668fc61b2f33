"""Wrong labels are found by networks that never saw them, and the shares follow."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits.data.dataset import Images
from studies.labels import analysis, confident
from tests.studies.conftest import ROOT, write_study
from tests.workspace import run


def test_the_shares_follow_from_probabilities() -> None:
    labels = np.tile(np.arange(10), 300).astype(np.uint8)
    images = Images(np.zeros((3000, 28, 28), np.uint8), labels, labels * 0 + 1)
    probabilities = np.full((3000, 10), 0.01)
    probabilities[np.arange(3000), labels] = 0.91
    probabilities[0] = np.where(np.arange(10) == 6, 0.955, 0.005)  # surely a 6
    probabilities[947] = 0.1  # a label that people did not confirm; it could be any digit
    probabilities[1621] = np.where(np.arange(10) == 8, 0.955, 0.005)  # one that surely is an 8
    table = confident.doubtful(labels, probabilities)
    summary = analysis.describe(images, probabilities, table)
    assert list(table["id"]) == [0, 1621]
    assert summary["bayes_error"] == pytest.approx(2 / 3000, abs=1e-6)
    assert summary["misclassified"] == pytest.approx(3 / 3000, abs=1e-6)
    assert summary["doubtful_share_low"] < 2 / 3000 < summary["doubtful_share_high"]
    assert summary["expected_error"] == pytest.approx(0.09, abs=1e-3)
    people = summary["unconfirmed"]
    assert (people["images"], people["doubtful"], people["misclassified"]) == (7, 1, 2)
    assert "| 0.067 [0.018, 0.243] |" in analysis.markdown(summary)


@pytest.mark.slow
def test_wrong_labels_are_found(project: Path, images: Images) -> None:
    """Five labels of optdigits are made wrong; networks that never saw them tell."""
    wrong = {10: 5, 300: 1, 700: 8, 1100: 4, 1500: 0}
    png = project / "data/png"
    corrupt(png.resolve(), project / "wrong", wrong)
    png.unlink()
    (project / "wrong").rename(png)
    how: Any = {"seeds": [1], "folds": 3, "sets": ["test"], "keep": "probabilities", "shown": 9}
    rate = {"architectures.lenet5.optimizer.learning_rate": 0.002}
    folder = write_study(
        project, "labels", epochs=12, images=["all"], settings={"held_out": rate}, **how
    )
    (folder / "analysis.py").write_bytes((ROOT / "studies/labels/analysis.py").read_bytes())
    for module in ("run", "analyse"):
        run(project, f"studies.{module}", "labels")
    results = folder / "results"
    table = pd.read_csv(results / "doubtful.csv").set_index("id")
    found = wrong.keys() & set(table.index)
    assert len(found) >= 4
    assert {row: table.suggested[row] for row in found} == {
        row: images.labels[row] for row in found
    }
    summary = json.loads((results / "summary.json").read_text())
    assert summary["images"] == 1797
    assert summary["doubtful"] == len(table) < 40
    assert (results / "sheet.png").stat().st_size > 10_000


def corrupt(source: Path, target: Path, wrong: dict[int, int]) -> None:
    """Copy the PNGs with other labels for the images in ``wrong``."""
    target.mkdir()
    for path in source.glob("*.zip"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(target / path.name, "w") as new:
            for entry in old.infolist():
                folder, label, name = entry.filename.split("/")
                number = int(name.removesuffix(".png"))
                new.writestr(f"{folder}/{wrong.get(number, label)}/{name}", old.read(entry))
