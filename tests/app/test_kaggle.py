import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.classifier import Classifier
from tests.app.serving import ROOT
from tests.conftest import kaggle_csv

IMAGES = np.random.default_rng(2).integers(0, 256, (1200, 28, 28), dtype=np.uint8)


def run(*arguments: object, status: int = 0) -> str:
    """Run the command as a person would; return what it printed, or of what it complained."""
    done = subprocess.run(
        [sys.executable, "-m", "app.kaggle", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    return "\n".join(line for line in lines if "XNNPACK" not in line) if status else done.stdout


def test_a_submission_has_what_the_network_reads(model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "new/submission.csv"
    kaggle_csv(source, np.resize(IMAGES, (28_000, 28, 28)))
    assert run(source, target, "--model", model) == f"{target}: 28,000 images read\n"
    classifier = Classifier(model, "float32")
    labels = np.resize([classifier.probabilities(image).argmax() for image in IMAGES], 28_000)
    lines = [f"{number},{label}" for number, label in enumerate(labels, 1)]
    assert target.read_bytes().decode() == "\n".join(["ImageId,Label", *lines]) + "\n"
    assert len(set(labels)) > 1
    assert [path.name for path in target.parent.iterdir()] == ["submission.csv"]


def test_a_part_of_the_images_is_refused(model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "submission.csv"
    kaggle_csv(source, IMAGES)
    complaint = run(source, target, "--model", model, status=1)
    assert complaint.startswith(f"kaggle: {source}: expected 28,000 images, found 1,200; ")
    assert not target.exists()


def test_a_refusal_is_one_line_and_leaves_the_old_submission(model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "submission.csv"
    kaggle_csv(source, IMAGES)
    with source.open("a") as file:
        file.write("x\n")
    target.write_text("old")
    complaint = run(source, target, "--model", model, status=1)
    assert complaint == f"kaggle: {source}: line 1202: expected 784 values, found 1"
    assert target.read_text() == "old"


def test_missing_files_are_named(model: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "test.csv", tmp_path / "submission.csv"
    complaint = run(source, target, "--model", model, status=1)
    assert complaint.startswith(f"kaggle: there is no file {source}; ")
    kaggle_csv(source, IMAGES[:1])
    assert "`make app`" in run(source, target, "--model", tmp_path, status=1)
    assert not target.exists()


def test_a_target_that_cannot_be_written_is_named(model: Path, tmp_path: Path) -> None:
    kaggle_csv(tmp_path / "test.csv", np.resize(IMAGES, (28_000, 28, 28)))
    (tmp_path / "file").touch()
    complaint = run(
        tmp_path / "test.csv", tmp_path / "file/submission.csv", "--model", model, status=1
    )
    assert complaint in {
        f"kaggle: {reason} ({tmp_path}/file)" for reason in ("File exists", "Not a directory")
    }
