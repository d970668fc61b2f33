from pathlib import Path

import numpy as np
import pytest

from digits.data import dataset, png_archive
from digits.io import read_json
from tests.stages.conftest import Stage

SPLIT = "id,label,train,dev,test\n0,0,1,0,0\n1,1,1,0,1\n2,2,0,1,0\n3,3,0,0,1\n"
NOISE = np.random.RandomState(0).randint(0, 256, (4, 28, 28)).astype(np.uint8)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path) -> Path:
    """Return a folder with four images, the first two of them in train, and their split."""
    png_archive.write(tmp_path / "data/png/training.zip", NOISE[:3], [0, 1, 2], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", NOISE[3:], [3], 3)
    (tmp_path / "data/split.csv").write_text(SPLIT)
    return tmp_path / "data"


def test_all_images_are_scaled_by_the_training_images_alone(workspace: Path, stage: Stage) -> None:
    stage("standardize")
    loaded = dataset.load(workspace / "standardized", workspace / "split.csv")
    training = NOISE[:2].astype(np.float64)
    assert (loaded.mean, loaded.std) == pytest.approx((training.mean(), training.std()), rel=1e-14)
    expected = (NOISE - training.mean()) / training.std()
    assert np.allclose(loaded.images, expected, rtol=0, atol=1e-7)
    statistics = read_json(workspace / "standardized/statistics.json")
    assert statistics.keys() == {"mean", "deviation"}


@pytest.mark.parametrize(
    "split",
    [
        SPLIT + "4,4,0,0,1\n",
        SPLIT.replace("3,3,", "3,4,"),
    ],
    ids=["longer", "another label"],
)
def test_split_of_other_images_is_refused(workspace: Path, stage: Stage, split: str) -> None:
    (workspace / "split.csv").write_text(split)
    _, errors = stage("standardize", status=1)
    assert errors.startswith("standardize: data/split.csv (")
    assert "differ in number or in labels" in errors
    assert len(errors.splitlines()) == 1
    assert not (workspace / "standardized").exists()
