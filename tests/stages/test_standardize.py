from pathlib import Path

import numpy as np
import pytest

from digits.data import dataset, png_archive
from digits.io import read_json
from tests.stages.conftest import Stage
from tests.workspace import write_split

SETS = {"train": [0, 1], "dev": [2], "test": [1, 3]}
NOISE = np.random.RandomState(0).randint(0, 256, (4, 28, 28)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _data(tmp_path: Path) -> None:
    """Write four images, the first two of them in train, and their split."""
    png_archive.write(tmp_path / "data/png/training.zip", NOISE[:3], [0, 1, 2], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", NOISE[3:], [3], 3)
    write_split(tmp_path, np.arange(4), SETS)


def test_all_images_are_scaled_by_the_training_images_alone(tmp_path: Path, stage: Stage) -> None:
    stage("standardize")
    loaded = dataset.load(tmp_path / "data/standardized", tmp_path / "data/split.csv")
    training = NOISE[:2].astype(np.float64)
    assert (loaded.mean, loaded.std) == pytest.approx((training.mean(), training.std()), rel=1e-14)
    expected = (NOISE - training.mean()) / training.std()
    assert np.allclose(loaded.images, expected, rtol=0, atol=1e-7)
    assert read_json(tmp_path / "data/standardized/statistics.json").keys() == {"mean", "deviation"}


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4], [0, 1, 2, 4]], ids=["longer", "another label"])
def test_split_of_other_images_is_refused(tmp_path: Path, stage: Stage, labels: list[int]) -> None:
    write_split(tmp_path, np.array(labels), SETS)
    _, errors = stage("standardize", status=1)
    assert "standardize: data/split.csv (" in errors
    assert "differ in number or in labels" in errors
    assert not (tmp_path / "data/standardized").exists()
