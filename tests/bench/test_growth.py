from pathlib import Path

import numpy as np
import pytest

from bench import growth, measuring
from digits.data import idx


def test_copies_follow_the_data_with_little_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(1)
    written = {}
    for images_name, labels_name in idx.FILES.values():
        images = rng.integers(0, 256, (7, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, 7, dtype=np.uint8)
        idx.write(raw / images_name, images)
        idx.write(raw / labels_name, labels)
        written[images_name] = images, labels
    monkeypatch.setattr(growth, "RAW", raw)
    assert growth.multiply(tmp_path / "many", 3) == 42
    for images_name, labels_name in idx.FILES.values():
        images, labels = written[images_name]
        many, their_labels = idx.read_pair(
            tmp_path / "many" / images_name, tmp_path / "many" / labels_name
        )
        assert their_labels.tolist() == 3 * labels.tolist()
        assert np.array_equal(many[:7], images)
        apart = np.abs(many[7:].astype(int) - np.concatenate([images, images]))
        assert 0 < apart.mean() < apart.max() <= growth.NOISE
        assert not np.array_equal(many[7:14], many[14:])


def test_growth_is_since_the_smallest_and_since_the_size_before() -> None:
    used = {1: measuring.Used(10, 8, 100_000_000), 10: measuring.Used(110, 72, 300_000_000)}
    used[50] = measuring.Used(600, 480, 500_000_000)
    of_stage = {copies: {"convert": one} for copies, one in used.items()}
    one, _, many = (growth.figure(of_stage, "convert", copies) for copies in used)
    ratios = ("seconds_an_image", "processor_an_image", "of_the_size_before")
    assert [one[name] for name in ratios] == [1, 1, 1]
    assert [many[name] for name in ratios] == [1.2, 1.2, 1.09]
    assert (many["megabytes"], many["megabytes_wanted"]) == (500, 620)
