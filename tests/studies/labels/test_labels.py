"""Wrong labels are found by networks that never saw them, and the shares follow."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits.data.dataset import Images
from studies import engine, runs, study
from studies.images import read_images
from studies.labels import analysis
from tests.studies.conftest import ROOT, Call, write_study
from tests.workspace import run


def certain(labels: np.ndarray, sure: float = 0.875) -> np.ndarray:
    """Return probabilities that give each label ``sure`` and share out the rest."""
    probabilities = np.full((len(labels), 10), (1 - sure) / 9)
    probabilities[np.arange(len(labels)), labels] = sure
    return probabilities


def test_wrong_labels_are_found_and_named() -> None:
    truth = np.tile(np.arange(10), 100)
    labels = truth.copy()
    labels[[3, 47, 500]] = 9, 1, 5  # they are a 3, a 7 and a 0
    rng = np.random.default_rng(0)
    probabilities = certain(truth) + rng.uniform(0, 0.02, (1000, 10))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[[3, 47, 500]] = certain(truth[[3, 47, 500]], 0.95)
    table = analysis.find_doubtful(labels, probabilities).set_index("id")
    assert {(i, table.label[i], table.suggested[i]) for i in (3, 47, 500)} == {
        (3, 9, 3),
        (47, 1, 7),
        (500, 5, 0),
    }
    assert set(table.index) == {3, 47, 500}


def test_doubt_alone_does_not_make_a_label_wrong() -> None:
    """An image counts as another digit only if it is as surely that one as its images are."""
    labels = np.tile(np.arange(10), 100)
    probabilities = certain(labels)
    probabilities[4] = 0.05
    probabilities[4, [4, 9]] = 0.1, 0.5  # rather a 9 than a 4, but far less so than the 9s
    assert analysis.confident_digit(labels, probabilities)[4] == -1
    assert analysis.find_doubtful(labels, probabilities).empty


def test_confident_images_are_found_and_the_least_likely_label_comes_first() -> None:
    labels = np.tile(np.arange(10), 100)
    probabilities = certain(labels)
    probabilities[10] = certain(np.array([6]), 0.95)[0]
    probabilities[20] = certain(np.array([6]), 0.99)[0]
    probabilities[1] = 0.1  # no digit for sure
    meant = analysis.confident_digit(labels, probabilities)
    assert (meant[[10, 20, 1]].tolist(), (meant == labels).sum()) == ([6, 6, -1], 997)
    table = analysis.find_doubtful(labels, probabilities)
    assert list(table["id"]) == [20, 10]
    assert list(table["suggested"]) == [6, 6]


def test_images_that_are_no_digit_for_sure_are_divided_as_the_others() -> None:
    labels = np.repeat(np.arange(10), 100)
    counts = np.diag(np.full(10, 80))
    counts[3, 5] = 20  # of 100 images labelled 3, all are sure
    counts[7, 1] = 10  # of 100 labelled 7, 90 are
    expected = (20 + 100 * 10 / 90) / 1000
    assert analysis.noise(counts, labels) == pytest.approx(expected)


def test_the_shares_follow_from_probabilities() -> None:
    labels = np.tile(np.arange(10), 300).astype(np.uint8)
    images = Images(np.zeros((3000, 28, 28), np.uint8), labels, labels * 0 + 1)
    probabilities = np.full((3000, 10), 0.01)
    probabilities[np.arange(3000), labels] = 0.91
    probabilities[0] = np.where(np.arange(10) == 6, 0.955, 0.005)  # surely a 6
    probabilities[947] = 0.1  # a label that people did not confirm; it could be any digit
    probabilities[1621] = np.where(np.arange(10) == 8, 0.955, 0.005)  # one that surely is an 8
    table = analysis.find_doubtful(labels, probabilities)
    summary = analysis.describe(images, probabilities, table)
    assert list(table["id"]) == [0, 1621]
    assert summary["bayes_error"] == pytest.approx(2 / 3000, abs=1e-6)
    assert summary["misclassified"] == pytest.approx(3 / 3000, abs=1e-6)
    assert summary["doubtful"]["low"] < 2 / 3000 < summary["doubtful"]["high"]
    assert summary["expected_error"] == pytest.approx(0.09, abs=1e-3)
    joint = np.array(summary["joint"])
    assert (joint[0, 6], joint[1, 8], joint.sum() - joint.trace()) == (1, 1, 2)
    people = summary["unconfirmed"]
    assert (people["images"], people["doubtful"], people["misclassified"]) == (7, 1, 2)
    assert "| 0.067 [0.018, 0.243] |" in analysis.markdown(summary)


@pytest.mark.slow
def test_wrong_labels_are_found(project: Path, images: Images, call: Call) -> None:
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
    given = read_images("optdigits")
    for one in runs.expand(study.read("labels"), "labels", given):
        (store := project / "checkpoints/studies" / one.identity(given)).mkdir(parents=True)
        assert engine.attempt(one, given, store)[0] == "done"
    call("labels")
    run(project, "studies.analyse", "labels")
    results = folder / "results"
    table = pd.read_csv(results / "doubtful.csv").set_index("id")
    found = wrong.keys() & set(table.index)
    assert len(found) >= 4
    assert {row: table.suggested[row] for row in found} == {
        row: images.labels[row] for row in found
    }
    summary = json.loads((results / "summary.json").read_text())
    assert summary["images"] == 1797
    assert summary["doubtful"]["images"] == len(table) < 40
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
