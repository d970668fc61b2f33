"""A project with scikit-learn's digits, small enough to train on in seconds."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from digits.data.dataset import Images
from digits.data.png_archive import Archive
from tests.stages import running

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose data/png holds optdigits, as download and convert leave them."""
    folder = tmp_path_factory.mktemp("optdigits")
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["dataset"] = "optdigits"
    content["split"].update(train=0.6, test=0.4)
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for stage in ("download", "convert"):
        done = running.run(folder, stage)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(png: Path, tmp_path: Path) -> Path:
    """Return a folder of the test's own with parameters and images."""
    shutil.copy(png / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/png").symlink_to(png / "data/png")
    return tmp_path


@pytest.fixture(scope="session")
def images(png: Path) -> Images:
    """Return optdigits' 1,797 images."""
    folder = png / "data/png"
    with Archive(folder / "training.zip", folder / "testing.zip") as archive:
        return Images(archive.read(range(len(archive))), archive.labels, archive.sources)


def write_study(project: Path, name: str, **content: Any) -> Path:
    """Write studies/<name>/study.yaml, by default of lenet5 for an epoch; return its folder."""
    study = {
        "dataset": "optdigits",
        "architecture": "lenet5",
        "epochs": 1,
        "threads": 1,
        "seeds": [1, 2],
        "images": [500],
        "settings": {"plain": {}},
    }
    folder = project / "studies" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(study | content, sort_keys=False))
    return folder


def noise(count: int) -> Images:
    """Return images of noise, labels in turn, the last quarter from the testing file."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = (np.arange(count) % 10).astype(np.uint8)
    return Images(pixels, labels, (np.arange(count) >= 3 * count // 4).astype(np.uint8))
