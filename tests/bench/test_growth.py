from pathlib import Path

import numpy as np
import pytest

from bench import growth
from digits import idx


def test_copies_follow_the_data_with_little_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(1)
    written = {}
    for images_name, labels_name in growth.FILES:
        images = rng.integers(0, 256, (7, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, 7, dtype=np.uint8)
        idx.write(raw / images_name, images)
        idx.write(raw / labels_name, labels)
        written[images_name] = images, labels
    monkeypatch.setattr(growth, "RAW", raw)
    assert growth.multiply(tmp_path / "many", 3) == 42
    for images_name, labels_name in growth.FILES:
        images, labels = written[images_name]
        many, their_labels = idx.read_pair(
            tmp_path / "many" / images_name, tmp_path / "many" / labels_name
        )
        assert their_labels.tolist() == 3 * labels.tolist()
        assert np.array_equal(many[:7], images)
        apart = np.abs(many[7:].astype(int) - np.concatenate([images, images]))
        assert 0 < apart.mean() < apart.max() <= growth.NOISE
        assert not np.array_equal(many[7:14], many[14:])
