from pathlib import Path

import numpy as np
import pytest

from digits.data import png_archive, splits
from digits.io import read_json
from tests.stages.conftest import Stage
from tests.workspace import write_params

LABELS = np.arange(140) % 10


@pytest.fixture(autouse=True)
def _images(tmp_path: Path) -> None:
    """Write 140 images, 120 of them for training."""
    images = np.zeros((140, 28, 28), np.uint8)
    png_archive.write(tmp_path / "data/png/training.zip", images[:120], LABELS[:120], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", images[120:], LABELS[120:], 120)


def test_stage_writes_the_split_and_counts_it(tmp_path: Path, stage: Stage) -> None:
    write_params(tmp_path, {"split.train": 100, "split.test": 60})
    assert stage("resplit") == ("", "")
    table = splits.read(tmp_path / "data/split.csv")
    assert table["label"].tolist() == LABELS.tolist()
    classes = {
        name: np.bincount(LABELS[rows], minlength=10).tolist()
        for name, rows in splits.sets(table).items()
    }
    images = {"all": 140, "train": 95, "dev": 5, "test_as_published": 60, "test": 40}
    counted = {"images": images | {"train_and_test": 20}, "classes": classes}
    assert read_json(tmp_path / "metrics/resplit.json") == counted


def test_refusal_is_one_line_and_changes_nothing(tmp_path: Path, stage: Stage) -> None:
    write_params(tmp_path, {"split.dev": 0})
    _, errors = stage("resplit", status=1)
    assert errors == "resplit: params.yaml: split.dev: expected images to watch, given 0\n"
    assert not (tmp_path / "data/split.csv").exists()
    assert not (tmp_path / "metrics").exists()
