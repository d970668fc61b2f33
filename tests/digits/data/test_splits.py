import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from digits.config import Split
from digits.data import splits
from digits.errors import PipelineError

MNIST_CLASSES = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
LABELS = np.repeat(np.arange(10, dtype=np.uint8), MNIST_CLASSES)
np.random.RandomState(0).shuffle(LABELS)
PUBLISHED = {"seed": 42, "scheme": "resplit", "train": 48000, "test": 28000, "dev": 0.05}


def divide(images: int = 70_000, **changes: Any) -> pd.DataFrame:
    """Divide images labelled as MNIST's, of which the last seventh is the testing file."""
    sources = (np.arange(images) >= images * 6 // 7).astype(np.uint8)
    return splits.divide(LABELS[:images], sources, Split.model_validate(PUBLISHED | changes))


def sizes(table: pd.DataFrame) -> dict[str, int]:
    return {name: len(rows) for name, rows in splits.sets(table).items()}


def test_published_sizes_share_only_the_surplus() -> None:
    table = divide()
    expected = {"train": 45_600, "dev": 2_400, "test_as_published": 28_000, "test": 22_000}
    assert sizes(table) == expected
    assert ((table["train"] == 1) & (table["test"] == 1)).sum() == 6_000
    assert not ((table["dev"] == 1) & ((table["train"] == 1) | (table["test"] == 1))).any()
    assert table["id"].tolist() == list(range(70_000))
    assert table["label"].tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": 42_000}, (39_900, 2_100, 28_000, 28_000)),
        ({"train": 42_005}, (39_905, 2_100, 28_000, 27_995)),
        ({"train": 10_000, "test": 1_000}, (9_500, 500, 1_000, 1_000)),
        ({"train": 0.6, "test": 0.2, "dev": 0.1}, (37_800, 4_200, 14_000, 14_000)),
        ({"train": 0.8, "test": 0.4, "dev": 100}, (55_900, 100, 28_000, 14_000)),
        ({"train": 69_999, "test": 1, "dev": 1}, (69_998, 1, 1, 1)),
        ({"images": 1_797, "train": 0.8, "test": 0.2, "dev": 0.05}, (1_366, 72, 359, 359)),
        ({"scheme": "official"}, (57_000, 3_000, 10_000, 10_000)),
    ],
)
def test_sizes_are_as_asked(changes: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert tuple(sizes(divide(**changes)).values()) == expected


@pytest.mark.parametrize("changes", [{}, {"train": 42_000}, {"train": 9_000, "test": 999}])
def test_classes_are_in_proportion_to_one_image(changes: dict[str, Any]) -> None:
    table = divide(**changes)
    taken = {
        "train and dev": (table["train"] == 1) | (table["dev"] == 1),
        "dev": table["dev"] == 1,
        "test": table["test"] == 1,
    }
    for name, member in taken.items():
        expected = np.array(MNIST_CLASSES) * member.sum() / len(table)
        assert np.abs(np.bincount(table["label"][member]) - expected).max() <= 1, name


def test_official_scheme_keeps_the_files_apart() -> None:
    table = divide(scheme="official")
    testing = table["id"] >= 60_000
    assert (table["test"] == testing).all()
    assert (table["train"] + table["dev"] == ~testing).all()


def test_draw_follows_from_the_seed_and_is_the_same_everywhere() -> None:
    content = divide().to_csv(index=False, lineterminator="\n").encode()
    digest = hashlib.sha256(content).hexdigest()
    assert digest == "5ce2dbc47685cd192e4cc4a7892922e72c3c6c6e0ca11285494b2f4f21deccb4"
    assert not divide().equals(divide(seed=1))


def test_images_of_a_class_are_drawn_equally_often() -> None:
    classes, sources = np.arange(100, dtype=np.uint8) % 10, np.zeros(100, np.uint8)
    drawn = np.zeros(100, np.int64)
    for seed in range(400):
        split = Split(seed=seed, scheme="resplit", train=50, test=30, dev=10)
        drawn += splits.divide(classes, sources, split)["train"].to_numpy()
    assert drawn.mean() == 160
    assert np.abs(drawn - 160).max() < 50  # five standard deviations


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": 1_797}, "train 48000, dev 2400 of these, and test 28000, out of 1797 images"),
        ({"test": 70_001}, "there are not so many"),
        ({"train": 70_000}, "70000 - 70000 leaves no image never trained on"),
        ({"dev": 48_000}, "48000 - 48000 leaves nothing to train on"),
        ({"dev": 45_000}, r"dev must avoid test, which leaves 70000 - 28000 = 42000 for it"),
        ({"test": 0.000001}, "test 0, .* each needs at least 1"),
        ({"scheme": "official", "dev": 60_000}, "60000 - 60000 leaves nothing to train on"),
    ],
)
def test_impossible_sizes_are_refused_with_arithmetic(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PipelineError, match=reason):
        divide(**changes)


GOOD = """id,label,train,dev,test
0,5,1,0,0
1,0,0,1,0
2,4,0,0,1
3,1,1,0,1
4,9,0,0,0
"""


def test_sets_are_row_numbers_by_name(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(GOOD)
    table = splits.read(path)
    assert table["label"].tolist() == [5, 0, 4, 1, 9]
    assert dict(table.dtypes) == {name: np.dtype(kind) for name, kind in splits.TYPES.items()}
    found = {name: rows.tolist() for name, rows in splits.sets(table).items()}
    assert found == {"train": [0, 3], "dev": [1], "test_as_published": [2, 3], "test": [2]}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("id,label", "row,label", r"expected rows with the columns id, .* found 5 with row, "),
        ("2,4,0,0,1", "7,4,0,0,1", r"line 4: the ids must be 0, 1, 2, \.\.\."),
        ("2,4,0,0,1", "2,10,0,0,1", "line 4: label must be 0 to 9"),
        ("2,4,0,0,1", "2,4,0,0,2", "line 4: train, dev and test must be 0 or 1"),
        ("1,0,0,1,0", "1,0,1,1,0", "line 3: an image in dev must be in no other set"),
        ("1,0,0,1,0", "1,0,0,1,1", "line 3: an image in dev must be in no other set"),
        ("1,0,0,1,0", "1,0,0,0,0", "no image is in dev"),
        ("2,4,0,0,1", "2,4,0,0,0", "no image is in test$"),
    ],
)
def test_a_wrong_table_is_told_by_its_line(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(PipelineError, match=rf"split\.csv.*{reason}"):
        splits.read(path)
