from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.data import dataset
from digits.errors import PipelineError
from tests.workspace import write_data

IMAGES = np.arange(3 * 28 * 28, dtype=np.float32).reshape(3, 28, 28)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder of standardized images and the split that belongs to it."""
    sets = {"train": [0], "dev": [1], "test": [2]}
    write_data(tmp_path, IMAGES, np.array([5, 0, 4]), sets, 33.5, 78.25)
    return tmp_path / "data/standardized", tmp_path / "data/split.csv"


def test_everything_is_loaded(files: tuple[Path, Path]) -> None:
    loaded = dataset.load(*files)
    assert isinstance(loaded.images, np.memmap)
    assert np.array_equal(loaded.images, IMAGES)
    assert loaded.labels.dtype == np.uint8
    assert loaded.labels.tolist() == [5, 0, 4]
    assert (loaded.mean, loaded.std) == (33.5, 78.25)
    rows = {name: row.tolist() for name, row in loaded.rows.items()}
    assert rows == {"train": [0], "dev": [1], "test_as_published": [2], "test": [2]}


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (IMAGES[:2], r"float32 \(2, 28, 28\)"),
        (IMAGES.reshape(3, 784), r"float32 \(3, 784\)"),
        (IMAGES.astype(np.float64), r"float64 \(3, 28, 28\)"),
    ],
)
def test_other_arrays_are_refused(files: tuple[Path, Path], array: np.ndarray, found: str) -> None:
    np.save(files[0] / "images.npy", array)
    with pytest.raises(PipelineError, match=rf"expected float32 \(3, 28, 28\), .* found {found}"):
        dataset.load(*files)


def test_array_that_is_cut_or_has_a_damaged_header_is_refused(files: tuple[Path, Path]) -> None:
    path = files[0] / "images.npy"
    whole = path.read_bytes()
    damaged = [whole.replace(closing, b"(", 1) for closing in (b"}", b"'", b")")]
    for content in (*damaged, *(whole[:kept] for kept in (0, 4, 100, 1000))):
        path.write_bytes(content)
        with pytest.raises(PipelineError, match=r"images\.npy is not a whole \.npy file"):
            dataset.load(*files)


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"mean": 1}', '{"mean": 1, "deviation": 0}', '{"mean": NaN, "deviation": 1}'],
)
def test_wrong_statistics_are_refused(files: tuple[Path, Path], content: str) -> None:
    (files[0] / "statistics.json").write_text(content)
    with pytest.raises(PipelineError, match=r"statistics\.json: expected"):
        dataset.load(*files)


def test_the_digest_is_of_what_a_training_sees(files: tuple[Path, Path]) -> None:
    loaded = dataset.load(*files)

    def digest(row: int | None = None, label: int = 0, **changes: Any) -> str:
        images, labels = np.array(loaded.images), loaded.labels.copy()
        if row is not None:
            images[row, 0, 0] += 1 - label
            labels[row] += label
        return replace(loaded, images=images, labels=labels, **changes).digest

    assert digest(2) == digest(2, label=1) == digest() == loaded.digest  # that one is in test
    others = [
        *(digest(row, label) for row in (0, 1) for label in (0, 1)),
        digest(mean=33.0),
        digest(rows={**loaded.rows, "train": loaded.rows["dev"], "dev": loaded.rows["train"]}),
        digest(rows={**loaded.rows, "train": np.array([0, 1]), "dev": np.arange(0)}),
    ]
    assert len({loaded.digest, *others}) == 1 + len(others)
