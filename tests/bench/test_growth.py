from pathlib import Path

import numpy as np
import pytest

from bench import growth, measuring
from digits.data import idx
from digits.data.idx import FILES
from tests.conftest import IdxMaker


def test_copies_follow_the_data_with_little_noise(
    tmp_path: Path, idx_files: IdxMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    idx_files(tmp_path / "raw", training=7, testing=5)
    monkeypatch.setattr(measuring, "RAW", tmp_path / "raw")
    assert growth.multiply(tmp_path / "many", 3) == 36
    for names in FILES.values():
        images, labels = idx.read_pair(*(tmp_path / "raw" / name for name in names))
        many, their_labels = idx.read_pair(*(tmp_path / "many" / name for name in names))
        assert their_labels.tolist() == 3 * labels.tolist()
        first, second, third = np.split(many.astype(int), 3)
        assert np.array_equal(first, images)
        assert not np.array_equal(second, third)
        assert 0 < np.abs(second - first).mean() < np.abs(second - first).max() <= growth.NOISE


def test_growth_is_since_the_smallest_and_since_the_size_before() -> None:
    sizes = {1: (10, 8, 100), 10: (110, 72, 300), 50: (600, 480, 500)}
    of_stage = {
        copies: {"convert": measuring.Used(seconds, cpu, megabytes * 1_000_000, "")}
        for copies, (seconds, cpu, megabytes) in sizes.items()
    }
    one, _, many = (growth.figure(of_stage, "convert", copies) for copies in of_stage)
    ratios = ("seconds_an_image", "processor_an_image", "of_the_size_before")
    assert [one[name] for name in ratios] == [1, 1, 1]
    assert [many[name] for name in ratios] == [1.2, 1.2, 1.09]
    assert (many["megabytes"], many["megabytes_wanted"]) == (500, 620)
