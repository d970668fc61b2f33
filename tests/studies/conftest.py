"""A project with scikit-learn's digits, small enough to train on in seconds."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from digits.data import optdigits, png_archive
from digits.data.dataset import Images
from studies import engine
from studies import run as study_run
from tests.workspace import write_params

ROOT = Path(__file__).parents[2]
Call = Callable[..., str]


@pytest.fixture
def in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the project's own folder."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def images() -> Images:
    """Return optdigits' 1,797 images."""
    pixels, labels = optdigits.read()
    return Images(pixels, labels, (np.arange(1797) >= 1500).astype(np.uint8))


@pytest.fixture(scope="session")
def png(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose data/png holds optdigits, as download and convert leave them."""
    folder = tmp_path_factory.mktemp("optdigits")
    write_params(folder, {"dataset": "optdigits", "split.train": 0.6, "split.test": 0.4})
    for number, name in enumerate(("training", "testing")):
        rows = np.flatnonzero(images.sources == number)
        path = folder / f"data/png/{name}.zip"
        png_archive.write(path, images.pixels[rows], images.labels[rows], rows[0])
    return folder


@pytest.fixture
def project(png: Path, tmp_path: Path) -> Path:
    """Return a folder of the test's own with parameters and images."""
    shutil.copy(png / "params.yaml", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/png").symlink_to(png / "data/png")
    return tmp_path


@pytest.fixture
def call(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return what runs a study in this process, where it trains nothing, and gives its output."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(engine, "_with_ray", None)

    def main(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["study", *arguments])
        study_run.main()
        return capsys.readouterr().out

    return main


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
