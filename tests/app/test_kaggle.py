import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import kaggle
from app.classifier import Classifier
from digits.errors import run_stage
from tests.conftest import kaggle_csv

IMAGES = np.random.default_rng(2).integers(0, 256, (1200, 28, 28), dtype=np.uint8)
Command = Callable[..., str]


@pytest.fixture
def command(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run the command; return what it says, or complains of."""

    def run(*arguments: object, model: Path = model) -> str:
        monkeypatch.setattr(sys, "argv", ["", *map(str, arguments), "--model", str(model)])
        try:
            run_stage("kaggle", kaggle.main)
        except SystemExit:
            return capsys.readouterr().err
        return capsys.readouterr().out

    return run


def test_a_submission_has_the_predictions_of_the_network(
    command: Command, model: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "new/submission.csv"
    kaggle_csv(source, np.resize(IMAGES, (28_000, 28, 28)))
    assert command(source, target) == f"{target}: 28,000 images classified\n"
    classifier = Classifier(model)
    labels = np.resize([classifier.probabilities(image).argmax() for image in IMAGES], 28_000)
    lines = [f"{number},{label}" for number, label in enumerate(labels, 1)]
    assert target.read_bytes().decode() == "\n".join(["ImageId,Label", *lines]) + "\n"
    assert len(set(labels)) > 1
    assert [path.name for path in target.parent.iterdir()] == ["submission.csv"]


def test_refusals_are_one_line_and_leave_the_old_submission(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "submission.csv"
    target.write_text("old")
    assert command(source, target).startswith(f"kaggle: there is no file {source}; ")
    kaggle_csv(source, IMAGES)
    complaint = f"kaggle: {source}: expected 28,000 images, found 1,200; "
    assert command(source, target).startswith(complaint)
    assert "`git checkout" in command(source, target, model=tmp_path)
    monkeypatch.setattr(kaggle, "IMAGES", len(IMAGES))
    complaint = command(source, target / "submission.csv")
    assert complaint.startswith(("kaggle: File exists (", "kaggle: Not a directory ("))
    with source.open("a") as file:
        file.write("x\n")
    assert command(source, target) == f"kaggle: {source}: line 1202: expected 784 values, found 1\n"
    assert target.read_text() == "old"
