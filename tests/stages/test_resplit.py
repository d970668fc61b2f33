import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from digits.config import Split
from digits.data import png_archive, splits
from digits.errors import PipelineError
from digits.io import read_json
from stages import resplit
from tests.stages.running import ROOT, run

MNIST_CLASSES = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
PUBLISHED: dict[str, Any] = {"scheme": "resplit", "train": 48000, "test": 28000, "dev": 0.05}


def labels(counts: list[int] = MNIST_CLASSES) -> npt.NDArray[np.uint8]:
    """Return as many labels of each class as in MNIST, in no order."""
    return np.random.RandomState(0).permutation(np.repeat(np.arange(10, dtype=np.uint8), counts))


def divide(seed: int = 42, images: int = 70_000, **changes: Any) -> pd.DataFrame:
    """Divide images labelled as MNIST's, of which the last seventh is the testing file."""
    sources = (np.arange(images) >= images * 6 // 7).astype(np.uint8)
    split = Split.model_validate(PUBLISHED | changes)
    return resplit.divide(labels()[:images], sources, split, seed)


def sizes(table: pd.DataFrame) -> dict[str, int]:
    return {name: len(rows) for name, rows in splits.sets(table).items()}


def test_published_sizes_share_only_the_surplus() -> None:
    table = divide()
    expected = {"train": 45_600, "dev": 2_400, "test_as_published": 28_000, "test": 22_000}
    assert sizes(table) == expected
    assert ((table["train"] == 1) & (table["test"] == 1)).sum() == 6_000
    assert not ((table["dev"] == 1) & ((table["train"] == 1) | (table["test"] == 1))).any()
    assert table["id"].tolist() == list(range(70_000))
    assert table["label"].tolist() == labels().tolist()


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
        found = np.bincount(table["label"][member])
        expected = np.array(MNIST_CLASSES) * member.sum() / len(table)
        assert np.abs(found - expected).max() <= 1, name


def test_official_scheme_keeps_the_files_apart() -> None:
    table = divide(scheme="official")
    testing = table["id"] >= 60_000
    assert (table["test"] == testing).all()
    assert (table["train"] + table["dev"] == ~testing).all()


def test_seed_alone_decides() -> None:
    assert divide(seed=1).equals(divide(seed=1))
    assert not divide(seed=1).equals(divide(seed=2))


def test_draw_is_the_same_everywhere() -> None:
    content = divide().to_csv(index=False, lineterminator="\n").encode()
    assert (
        hashlib.sha256(content).hexdigest()
        == "5ce2dbc47685cd192e4cc4a7892922e72c3c6c6e0ca11285494b2f4f21deccb4"
    )


def test_images_of_a_class_are_drawn_equally_often() -> None:
    classes, sources = np.arange(100, dtype=np.uint8) % 10, np.zeros(100, np.uint8)
    split = Split(scheme="resplit", train=50, test=30, dev=10)
    drawn = np.zeros(100, np.int64)
    for seed in range(400):
        drawn += resplit.divide(classes, sources, split, seed)["train"].to_numpy()
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
        ({"dev": 0.00001}, "dev 0 of these, .* each needs at least 1"),
        ({"test": 0.000001}, "test 0, .* each needs at least 1"),
        ({"scheme": "official", "dev": 60_000}, "60000 - 60000 leaves nothing to train on"),
    ],
)
def test_impossible_sizes_are_refused_with_the_arithmetic(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(PipelineError, match=reason):
        divide(**changes)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with the parameters and with 140 images, 120 of them for training."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    images = np.zeros((140, 28, 28), np.uint8)
    kinds = np.arange(140) % 10
    png_archive.write(tmp_path / "data/png/training.zip", images[:120], kinds[:120], 0)
    png_archive.write(tmp_path / "data/png/testing.zip", images[120:], kinds[120:], 120)
    return tmp_path


def test_stage_writes_the_split_and_counts_it(workspace: Path) -> None:
    params = workspace / "params.yaml"
    params.write_text(params.read_text().replace("48000", "100").replace("28000", "60"))
    stage = run(workspace, "resplit")
    assert (stage.returncode, stage.stderr) == (0, "")
    table = splits.read(workspace / "data/split.csv")
    assert table["label"].tolist() == (np.arange(140) % 10).tolist()
    classes = {
        name: np.bincount(table["label"].iloc[rows], minlength=10).tolist()
        for name, rows in splits.sets(table).items()
    }
    assert read_json(workspace / "metrics/resplit.json") == {
        "images": {
            "all": 140,
            "train": 95,
            "dev": 5,
            "test_as_published": 60,
            "test": 40,
            "train_and_test": 20,
        },
        "classes": classes,
    }


def test_refusal_is_one_line_and_changes_nothing(workspace: Path) -> None:
    stage = run(workspace, "resplit")
    assert stage.returncode == 1
    assert stage.stderr.startswith("resplit: split: train 48000, ")
    assert len(stage.stderr.splitlines()) == 1
    assert not (workspace / "data/split.csv").exists()
    assert not (workspace / "metrics").exists()
