from pathlib import Path

import numpy as np
import pytest

from digits.data import scaling
from digits.data.dataset import Images
from digits.errors import PipelineError

NOISE = np.random.RandomState(0).randint(0, 256, (50, 28, 28)).astype(np.uint8)


def test_mean_and_std_are_numpys_in_any_order() -> None:
    mean, std = scaling.mean_and_std(NOISE)
    assert (mean, std) == pytest.approx((NOISE.mean(), NOISE.std()), rel=1e-14)
    assert scaling.mean_and_std(NOISE[::-1]) == (mean, std)


def test_constant_images_are_refused() -> None:
    with pytest.raises(PipelineError, match="every pixel of the images in train is 7"):
        scaling.mean_and_std(np.full((3, 28, 28), 7, np.uint8))


def test_every_pixel_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "BLOCK", 3)
    scaling.write(tmp_path / "images.npy", NOISE, 30, 70)
    np.save(tmp_path / "numpys.npy", ((NOISE.astype(np.float64) - 30) / 70).astype(np.float32))
    assert (tmp_path / "images.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_only_the_images_of_some_set_are_scaled_by_those_in_train() -> None:
    labels = (np.arange(50) % 10).astype(np.uint8)
    rows = {"train": np.array([3, 9, 40]), "dev": np.array([2]), "test": np.array([9, 48])}
    data = scaling.standardize(Images(NOISE, labels, labels * 0), rows)
    assert data.images.dtype == np.float32
    assert len(data.images) == 5
    train = NOISE[rows["train"]].astype(np.float64)
    assert (data.mean, data.std) == pytest.approx((train.mean(), train.std()))
    for name, members in rows.items():
        again = data.images[data.rows[name]] * data.std + data.mean
        np.testing.assert_allclose(again, NOISE[members], atol=1e-4)
        np.testing.assert_array_equal(data.labels[data.rows[name]], labels[members])
