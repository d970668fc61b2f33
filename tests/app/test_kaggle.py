import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from app import kaggle
from app.classifier import Classifier
from digits import idx
from digits.errors import PipelineError

ROOT = Path(__file__).parents[2]
HEADER = ",".join(f"pixel{number}" for number in range(784))
IMAGES = np.random.default_rng(2).integers(0, 256, (2500, 28, 28), dtype=np.uint8)
LABELS = (np.arange(len(IMAGES)) % 10).astype(np.uint8)
BLACK = ",".join(["0"] * 784)


def run(module: str, *arguments: object, folder: Path = ROOT, status: int = 0) -> str:
    """Run a module as a person would; return what it printed, or of what it complained."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MNIST_MIRROR": str(folder / "kaggle")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def write(path: Path, header: str, rows: np.ndarray, newline: str = "\n") -> Path:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_bytes("".join(line + newline for line in lines).encode())
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_submission_has_what_the_network_reads(model: Path, tmp_path: Path, newline: str) -> None:
    source = write(tmp_path / "test.csv", HEADER, IMAGES.reshape(-1, 784), newline)
    target = tmp_path / "submission.csv"
    assert "2,500 images" in run("app.kaggle", source, target, "--model", model)
    classifier = Classifier(model, "float32")
    labels = [classifier.probabilities(image).argmax() for image in IMAGES]
    lines = [f"{number},{label}" for number, label in enumerate(labels, 1)]
    assert target.read_text() == "\n".join(["ImageId,Label", *lines]) + "\n"
    assert len(set(labels)) > 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "line 1: expected the 784 columns pixel0 to pixel783, found 1, '' to ''"),
        (f"label,{HEADER}\n", "found 785, 'label' to 'pixel783'"),
        (f"{HEADER}\n", "expected rows of images, found none"),
        (f"{HEADER}\n{BLACK}\n{BLACK},0\n", "line 3: expected 784 values, found 785"),
        (f"{HEADER}\n{BLACK}\n0,0", "line 3: expected 784 values, found 2"),
        (f"{HEADER}\n\n", "line 2: expected 784 values, found 1"),
        (f"{HEADER}\n{BLACK}\n\n{BLACK}\n", "line 3: expected 784 values, found 1"),
        (f"{HEADER}\n{BLACK[:-1]}256\n", "line 2, pixel783: .* from 0 to 255, found '256'"),
        (f"{HEADER}\n-1{BLACK[1:]}\n", "line 2, pixel0: .*, found '-1'"),
        (f"{HEADER}\n0.5{BLACK[1:]}\n", "line 2, pixel0: .*, found '0.5'"),
        (f"{HEADER}\n{BLACK[2:]},é\n", "line 2, pixel783: .*, found"),
        ((f"{HEADER}\n" + f"{BLACK}\n" * 1500) + "x", "line 1502: expected 784 values, found 1"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "test.csv").write_text(content)
    with pytest.raises(PipelineError, match=complaint):
        list(kaggle.read(tmp_path / "test.csv", kaggle.PIXELS))


def test_a_label_above_nine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"label,{HEADER}\n10,{BLACK}\n")
    with pytest.raises(PipelineError, match=r"line 2, label: .* from 0 to 9, found '10'"):
        kaggle.convert(tmp_path / "train.csv", tmp_path / "kaggle")


def test_a_refusal_is_one_line_and_leaves_the_old_submission(model: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(f"{HEADER}\n{BLACK}\nx\n")
    (tmp_path / "submission.csv").write_text("old")
    arguments = (tmp_path / "test.csv", tmp_path / "submission.csv", "--model", model)
    complaint = run("app.kaggle", *arguments, status=1).splitlines()[-1]
    assert complaint.startswith("kaggle: ")
    assert complaint.endswith("line 3: expected 784 values, found 1")
    assert (tmp_path / "submission.csv").read_text() == "old"


def test_missing_files_are_named(model: Path, tmp_path: Path) -> None:
    missing = tmp_path / "test.csv"
    assert str(missing) in run("app.kaggle", missing, "x.csv", "--model", model, status=1)
    write(missing, HEADER, np.zeros((1, 784), np.uint8))
    complaint = run("app.kaggle", missing, "x.csv", "--model", tmp_path, status=1)
    assert "`make model`" in complaint


def test_the_pipeline_takes_the_training_file_as_a_data_set(tmp_path: Path) -> None:
    table = np.column_stack([LABELS, IMAGES.reshape(-1, 784)])
    write(tmp_path / "train.csv", f"label,{HEADER}", table)
    output = run("app.kaggle", "--idx", "train.csv", "kaggle", folder=tmp_path)
    entry = output.partition("\n\n")[2].rpartition("\nand")[0]

    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    settings["dataset"] = "kaggle"
    settings["datasets"] |= yaml.safe_load(entry)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))
    run("stages.download", folder=tmp_path)

    raw = tmp_path / "data/raw"
    images, labels = np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8)
    for part in ("train", "t10k"):
        some = idx.read_pair(
            raw / f"{part}-images-idx3-ubyte.gz", raw / f"{part}-labels-idx1-ubyte.gz"
        )
        images, labels = np.concatenate([images, some[0]]), np.concatenate([labels, some[1]])
    assert len(some[0]) == 2500 // 7
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
