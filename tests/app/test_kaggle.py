import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import kaggle
from app.classifier import Classifier
from tests.app.serving import ROOT
from tests.conftest import kaggle_csv

IMAGES = np.random.default_rng(2).integers(0, 256, (1200, 28, 28), dtype=np.uint8)


def test_a_submission_has_the_predictions_of_the_network(model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "new/submission.csv"
    kaggle_csv(source, np.resize(IMAGES, (28_000, 28, 28)))
    arguments = map(str, (source, target, "--model", model))
    command = [sys.executable, "-m", "app.kaggle", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.check_output(command, env=environment, text=True)
    assert printed == f"{target}: 28,000 images classified\n"
    classifier = Classifier(model, "float32")
    labels = np.resize([classifier.probabilities(image).argmax() for image in IMAGES], 28_000)
    lines = [f"{number},{label}" for number, label in enumerate(labels, 1)]
    assert target.read_bytes().decode() == "\n".join(["ImageId,Label", *lines]) + "\n"
    assert len(set(labels)) > 1
    assert [path.name for path in target.parent.iterdir()] == ["submission.csv"]


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command, which must refuse; return its complaint."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["app.kaggle", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            kaggle.main()
        return str(caught.value.code)

    return run


def test_refusals_are_one_line_and_leave_the_old_submission(
    refusal: Callable[..., str], model: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "submission.csv"
    target.write_text("old")
    command = (source, target, "--model", model)
    assert refusal(*command).startswith(f"kaggle: there is no file {source}; ")
    kaggle_csv(source, IMAGES)
    assert refusal(*command).startswith(f"kaggle: {source}: expected 28,000 images, found 1,200; ")
    assert "`make app`" in refusal(source, target, "--model", tmp_path)
    with source.open("a") as file:
        file.write("x\n")
    assert refusal(*command) == f"kaggle: {source}: line 1202: expected 784 values, found 1"
    assert target.read_text() == "old"


def test_a_target_that_cannot_be_written_is_named(
    refusal: Callable[..., str], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaggle, "IMAGES", len(IMAGES))
    kaggle_csv(tmp_path / "test.csv", IMAGES)
    (tmp_path / "file").touch()
    complaint = refusal(tmp_path / "test.csv", tmp_path / "file/submission.csv", "--model", model)
    assert complaint in {
        f"kaggle: {reason} ({tmp_path}/file)" for reason in ("File exists", "Not a directory")
    }
