from pathlib import Path

import numpy as np
import pytest

from digits.data import png_archive, splits
from digits.io import read_json
from tests.stages.running import ROOT, run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with the parameters and with 140 images, 120 of them for training."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    images = np.zeros((140, 28, 28), np.uint8)
    kinds = np.arange(140) % 10
    png_archive.write(tmp_path / "data/png/training.zip", images[:120], kinds[:120], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", images[120:], kinds[120:], 120)
    return tmp_path


def test_stage_writes_the_split_and_counts_it(workspace: Path) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("48000", "100").replace("28000", "60"))
    stage = run(workspace, "resplit")
    assert (stage.returncode, stage.stderr) == (0, "")
    table = splits.read(workspace / "data/split.csv")
    assert table["label"].tolist() == (np.arange(140) % 10).tolist()
    classes = {
        name: np.bincount(table["label"].iloc[rows], minlength=10).tolist()
        for name, rows in splits.sets(table).items()
    }
    assert read_json(workspace / "metrics/resplit.json") == {
        "images": {
            "all": 140,
            "train": 95,
            "dev": 5,
            "test_as_published": 60,
            "test": 40,
            "train_and_test": 20,
        },
        "classes": classes,
    }


def test_the_seed_of_the_split_alone_decides(workspace: Path) -> None:
    params, drawn = workspace / "params.yaml", []
    text = params.read_text().replace("48000", "100").replace("28000", "60")
    for changed in (
        text,
        text.replace("\nseed: 42", "\nseed: 1"),
        text.replace("  seed: 42", "  seed: 1"),
    ):
        params.write_text(changed)
        assert run(workspace, "resplit").returncode == 0
        drawn.append((workspace / "data/split.csv").read_text())
    assert drawn[0] == drawn[1] != drawn[2]


def test_refusal_is_one_line_and_changes_nothing(workspace: Path) -> None:
    stage = run(workspace, "resplit")
    assert stage.returncode == 1
    assert stage.stderr.startswith("resplit: split: train 48000, ")
    assert len(stage.stderr.splitlines()) == 1
    assert not (workspace / "data/split.csv").exists()
    assert not (workspace / "metrics").exists()
