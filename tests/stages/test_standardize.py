from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from digits.data import dataset, png_archive
from digits.io import read_json
from tests.stages.running import ROOT, run

SPLIT = "id,label,train,dev,test\n0,0,1,0,0\n1,1,1,0,1\n2,2,0,1,0\n3,3,0,0,1\n"

Images = npt.NDArray[np.uint8]


def succeed(stage: str, folder: Path) -> None:
    """Run a stage in a folder; it must end well."""
    finished = run(folder, stage)
    assert finished.returncode == 0, finished.stderr


def noise(count: int) -> Images:
    return np.random.RandomState(0).randint(0, 256, (count, 28, 28)).astype(np.uint8)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with four images, the first two of them in train, and their split."""
    png_archive.write(tmp_path / "data/png/training.zip", noise(4)[:3], [0, 1, 2], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", noise(4)[3:], [3], 3)
    (tmp_path / "data/split.csv").write_text(SPLIT)
    return tmp_path


def test_all_images_are_scaled_by_the_training_images_alone(workspace: Path) -> None:
    succeed("standardize", workspace)
    loaded = dataset.load(workspace / "data/standardized", workspace / "data/split.csv")
    training = noise(4)[:2].astype(np.float64)
    assert loaded.mean == pytest.approx(training.mean(), rel=1e-14)
    assert loaded.std == pytest.approx(training.std(), rel=1e-14)
    expected = (noise(4) - training.mean()) / training.std()
    assert np.allclose(loaded.images, expected, rtol=0, atol=1e-7)
    assert read_json(workspace / "data/standardized/statistics.json").keys() == {
        "mean",
        "deviation",
    }


@pytest.mark.parametrize(
    "split",
    [
        SPLIT + "4,4,0,0,1\n",
        SPLIT.replace("1,1,1,0,1", "1,1,0,0,1").replace("3,3,0,0,1\n", ""),
        SPLIT.replace("3,3,", "3,4,"),
    ],
    ids=["longer", "shorter", "another label"],
)
def test_split_of_other_images_is_refused(workspace: Path, split: str) -> None:
    (workspace / "data/split.csv").write_text(split)
    finished = run(workspace, "standardize")
    assert finished.returncode == 1
    assert finished.stderr.startswith("standardize: data/split.csv (")
    assert "differ in number or in labels" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert not (workspace / "data/standardized").exists()


@pytest.mark.mnist
def test_data_stages_on_mnist(tmp_path: Path, mnist: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(mnist)
    for stage in ("convert", "resplit", "standardize"):
        succeed(stage, tmp_path)
    loaded = dataset.load(tmp_path / "data/standardized", tmp_path / "data/split.csv")

    assert {name: len(rows) for name, rows in loaded.rows.items()} == {
        "train": 45_600,
        "dev": 2_400,
        "test_as_published": 28_000,
        "test": 22_000,
    }
    metrics = read_json(tmp_path / "metrics/resplit.json")
    classes = np.bincount(loaded.labels)
    trained = np.array(metrics["classes"]["train"]) + metrics["classes"]["dev"]
    for found in (trained, metrics["classes"]["dev"], metrics["classes"]["test_as_published"]):
        assert np.abs(found - classes * sum(found) / 70_000).max() <= 1

    training = loaded.images[loaded.rows["train"]]
    assert training.mean(dtype=np.float64) == pytest.approx(0, abs=1e-4)
    assert training.std(dtype=np.float64) == pytest.approx(1, abs=1e-4)
    assert loaded.images.min() == pytest.approx(-loaded.mean / loaded.std, rel=1e-6)

    written = {path: path.read_bytes() for path in (tmp_path / "data/standardized").iterdir()}
    split = (tmp_path / "data/split.csv").read_bytes()
    succeed("resplit", tmp_path)
    succeed("standardize", tmp_path)
    assert (tmp_path / "data/split.csv").read_bytes() == split
    assert {path: path.read_bytes() for path in written} == written
