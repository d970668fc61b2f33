from pathlib import Path

import numpy as np
import pytest

from bench import measuring, pipeline
from digits.data import idx
from digits.data.idx import FILES
from tests.conftest import IdxMaker


def test_copies_follow_the_data_with_little_noise(
    tmp_path: Path, idx_files: IdxMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    idx_files(tmp_path / "raw", training=7, testing=5)
    monkeypatch.setattr(pipeline, "RAW", tmp_path / "raw")
    pipeline.multiply(tmp_path / "many", 3)
    for names in FILES.values():
        images, labels = idx.read_pair(*(tmp_path / "raw" / name for name in names))
        many, their_labels = idx.read_pair(*(tmp_path / "many" / name for name in names))
        assert their_labels.tolist() == 3 * labels.tolist()
        first, second, third = np.split(many.astype(int), 3)
        assert np.array_equal(first, images)
        assert not np.array_equal(second, third)
        assert 0 < np.abs(second - first).mean() < np.abs(second - first).max() <= pipeline.NOISE


def test_growth_is_since_the_data_as_they_are() -> None:
    one, many = ({"convert": measuring.Used(*took, "")} for took in ((10, 100), (110, 300)))
    seconds, memory = pipeline.growth(one, many, 10)
    assert seconds == measuring.figure("convert, 10 x the data", "s", "<= 12", [110], [10])
    what = "convert, 10 x the data: memory"
    assert memory == measuring.figure(what, "MB", "<= 620 MB", [300], [100])
