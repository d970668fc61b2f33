"""What a run learns, what identifies it, and what it measures."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from digits import config
from digits.config import Architecture, Split
from digits.data.dataset import Dataset
from digits.io import CURVES
from studies import runs
from studies.runs import Run
from studies.study import Small
from tests.studies.conftest import ROOT, noise

SPLIT = Split(seed=42, scheme="resplit", train=0.6, test=0.4, dev=0.1)


@pytest.fixture(scope="module")
def lenet5() -> Architecture:
    return config.load(ROOT / "params.yaml").architectures["lenet5"]


def run(recipe: Architecture, **changes: Any) -> Run:
    one = Run("a", recipe, SPLIT, 50, None, None, 1, 1, ("test",), None, "correct")
    return dataclasses.replace(one, **changes)


def test_fewer_images_are_among_more_and_have_every_class_alike(lenet5: Architecture) -> None:
    images = noise(400)
    few, many, all_ = (run(lenet5, images=n).rows(images)["train"] for n in (50, 100, None))
    assert (len(few), len(many), len(all_)) == (50, 100, 216)
    assert set(few) < set(many) < set(all_)
    assert set(np.bincount(images.labels[few])) == {5}
    other = run(lenet5, split=SPLIT.model_copy(update={"seed": 2})).rows(images)["train"]
    assert set(other) != set(few)


def test_without_dev_all_training_images_are_learned(lenet5: Architecture) -> None:
    official = SPLIT.model_copy(update={"scheme": "official", "dev": 0})
    rows = run(lenet5, images=None, split=official).rows(noise(400))
    assert rows["train"].tolist() == list(range(300))
    assert rows["test"].tolist() == list(range(300, 400))
    assert not len(rows["dev"])


def test_every_image_is_in_one_fold_and_classes_are_shared_out(lenet5: Architecture) -> None:
    images = noise(1000)
    folds = [run(lenet5, fold=n, folds=5).rows(images) for n in range(5)]
    assert sorted(np.concatenate([one["test"] for one in folds])) == list(range(1000))
    assert all(len({*one["train"], *one["test"]}) == 1000 for one in folds)
    assert all(set(np.bincount(images.labels[one["test"]])) == {20} for one in folds)
    assert set(run(lenet5, fold=0, folds=5, seed=2).rows(images)["test"]) != set(folds[0]["test"])


def test_all_that_determines_a_run_is_in_its_identity_but_not_its_name(
    lenet5: Architecture,
) -> None:
    images, one = noise(200), run(lenet5)
    changed = [
        run(lenet5.model_copy(update={"l2": 0.1})),
        run(lenet5, split=SPLIT.model_copy(update={"dev": 0.2})),
        run(lenet5, images=51),
        run(lenet5, seed=2),
        run(lenet5, threads=2),
        run(lenet5, sets=("test", "dev")),
        run(lenet5, fold=1, folds=4),
    ]
    identities = [other.identity(images) for other in (one, *changed)]
    identities.append(one.identity(noise(201)))
    assert len(set(identities)) == 9
    assert run(lenet5, setting="b").identity(images) == identities[0]


class Corner:
    """Takes the upper left pixel for the probability of a one, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def predict_on_batch(self, batch: Any) -> Any:
        self.seen.append(batch[..., 0])
        return np.eye(10, dtype=np.float32)[[1]] * batch[:, 0, 0]


def test_augmented_test_images_are_moved_with_black_at_the_edge() -> None:
    images, model = np.full((3, 28, 28), 0.5, np.float32), Corner()
    images[:, 0, 0] = 0.9
    moved = runs.test_time_augmentation(model, images, black=-1)
    # Five of nine times the corner comes from outside; it stays once, and shows a neighbour thrice.
    assert moved[:, 1] == pytest.approx((5 * -1 + 0.9 + 3 * 0.5) / 9)
    down_right = [seen for seen in model.seen if (seen[:, 0] == -1).all() and seen[0, 1, 0] == -1]
    assert len(model.seen) == 9
    assert len(down_right) == 1
    assert (down_right[0][:, 1, 1] == np.float32(0.9)).all()


def test_small_images_lie_anywhere_they_fit_and_follow_from_the_seed() -> None:
    images = np.zeros((500, 28, 28), np.float32)
    images[:, 8:20, 8:20] = 255
    images = (images - np.float32(33)) / np.float32(78)
    data = Dataset(images, np.zeros(500, np.uint8), 33.0, 78.0, {})
    one, other = (
        runs.shrink(images, data, Small(lowest=0.5, highest=0.7, seed=seed)) for seed in (1, 2)
    )
    assert not np.array_equal(one, other)
    ink = one * 78 + 33 > 128
    rows, columns = ink.any(axis=2), ink.any(axis=1)
    heights, widths = rows.sum(axis=1), columns.sum(axis=1)
    assert abs(heights - widths).max() <= 1
    assert (heights.min(), heights.max()) == (6, 9)  # 12 pixels by 14/28 and 20/28
    tops, lefts = rows.argmax(axis=1), columns.argmax(axis=1)
    for starts, lengths in ((tops, heights), (lefts, widths)):
        assert 4 - 1 <= starts.min() <= 5  # the frame of the image is shrunk too
        assert (starts + lengths).max() >= 23
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.2
    assert np.abs(one.min() * 78 + 33) < 1e-4


def test_test_images_can_be_scaled_as_two_articles_did() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 28))
    data = Dataset(((pixels - 33) / 78).astype(np.float32), np.zeros(20, np.uint8), 33.0, 78.0, {})
    larger = runs.misscaled(data.images, data, "divided_by_225") * 78 + 33
    assert larger / 255 == pytest.approx(pixels / 225, abs=1e-5)
    own = runs.misscaled(data.images, data, "own_statistics")
    assert own == pytest.approx((pixels - pixels.mean()) / pixels.std(), abs=1e-5)


def test_images_that_were_also_trained_on_are_a_set_of_their_own(lenet5: Architecture) -> None:
    images, overlap = noise(400), SPLIT.model_copy(update={"train": 0.8})
    one = run(lenet5, images=None, split=overlap, sets=("test", "test_as_published"))
    rows = one.rows(images)
    shared = set(rows["test_as_published"]) - set(rows["test"])
    assert len(shared) == 80
    assert not shared - set(rows["train"])


@pytest.mark.slow
def test_the_last_epoch_s_mean_and_the_watched_test_images_are_measured(
    lenet5: Architecture, tmp_path: Path
) -> None:
    recipe = lenet5.model_copy(update={"epochs": 2})
    sets = ("train", "running", "test")
    one = run(recipe, images=None, sets=sets, watch="test")
    (row,) = one.execute(noise(400), tmp_path)
    with np.load(tmp_path / "kept.npz") as kept:
        last = dict(zip(CURVES, kept["curves"][-1], strict=True))
    assert row["test_accuracy"] == pytest.approx(last["dev_accuracy"], abs=1e-6)
    assert row["test_loss"] == pytest.approx(last["dev_cross_entropy"], abs=1e-5)
    assert row["running_loss"] == pytest.approx(last["cross_entropy"], abs=1e-5)
    assert row["running_accuracy"] == pytest.approx(last["accuracy"], abs=1e-6)
    assert row["running_loss"] != row["train_loss"]


def test_macs_are_those_of_convolutions_and_dense_layers() -> None:
    conv, dense = keras.layers.Conv2D(3, 5, strides=2), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((9, 9, 2)), conv, keras.layers.Flatten(), dense])
    assert runs.macs(model) == 3**2 * 5**2 * 2 * 3 + 3**2 * 3 * 10
