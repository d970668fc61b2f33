import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.training.batches import TrainingBatches, dev_batches
from tests.digits.training.conftest import ARCHITECTURES, recipe

BLACK, WHITE = np.float32(-33 / 78), np.float32((255 - 33) / 78)


def dataset(images: np.ndarray, training: int) -> Dataset:
    """Return so many images to train on, the rest for dev, with labels 0 to 9 in turn."""
    numbers = np.arange(len(images))
    rows = {"train": numbers[:training], "dev": numbers[training:]}
    return Dataset(images, (numbers % 10).astype(np.uint8), 33.0, 78.0, rows)


@pytest.fixture
def data() -> Dataset:
    """Images each filled with its own number; 250 to train on, 20 for dev."""
    return dataset(np.tile(np.arange(270, dtype=np.float32)[:, None, None], (1, 28, 28)), 250)


def drawn(count: int, rows: slice, columns: slice) -> Dataset:
    """Return training images that are black but for a white rectangle."""
    images = np.full((count, 28, 28), BLACK)
    images[:, rows, columns] = WHITE
    return dataset(images, count)


def settings(batch_size: int = 2, **augment: float) -> Architecture:
    return recipe(batch_size=batch_size, augment=augment)


def dev_of(data: Dataset, how: Architecture) -> tf.data.Dataset:
    batches = dev_batches(data, how)
    assert batches is not None
    return batches


def epoch(batches: TrainingBatches, number: int) -> tuple[np.ndarray, np.ndarray]:
    batches.epoch = number
    images, labels = zip(*batches.dataset().as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_an_epoch_has_every_training_image_once_with_its_label(data: Dataset) -> None:
    batches = TrainingBatches(data, settings(7), seed=1)
    sizes = [len(labels) for _, labels in batches.dataset().as_numpy_iterator()]
    assert sizes == [7] * 35 + [5]
    assert batches.per_epoch == 36
    images, labels = epoch(batches, 0)
    assert images.shape == (250, 28, 28, 1)
    assert sorted(images[:, 0, 0, 0]) == list(range(250))
    np.testing.assert_array_equal(images[:, 0, 0, 0] % 10, labels)


def test_the_order_follows_from_seed_and_epoch(data: Dataset) -> None:
    first = epoch(TrainingBatches(data, settings(), seed=1), 3)[0]
    np.testing.assert_array_equal(first, epoch(TrainingBatches(data, settings(), seed=1), 3)[0])
    for seed, number in ((1, 4), (2, 3)):
        other = epoch(TrainingBatches(data, settings(), seed), number)[0]
        assert (other[:, 0, 0, 0] != first[:, 0, 0, 0]).mean() > 0.9


def test_pen_strokes_reach_their_labels_alone_and_come_before_the_pose() -> None:
    data = drawn(300, slice(13, 15), slice(13, 15))
    changed, labels = epoch(TrainingBatches(data, settings(pen_strokes=1), seed=1), 0)
    more = (changed - data.images[0, ..., None]).sum(axis=(1, 2, 3)) > WHITE
    assert set(labels[more]) == {0, 1, 7}
    assert more.sum() == 90
    assert changed.max() == pytest.approx(WHITE)
    moved, _ = epoch(TrainingBatches(data, settings(pen_strokes=1, shift=0.1), seed=1), 0)
    assert np.abs(moved - changed)[labels == 7].max(axis=(1, 2, 3)).min() > 0.5


def test_eroded_strokes_are_white_again() -> None:
    data = drawn(50, slice(4, 24), slice(12, 14))  # of two pixels, erosion leaves nothing
    eroded, _ = epoch(TrainingBatches(data, settings(erode=0.6), seed=1), 0)
    np.testing.assert_allclose(eroded.max(axis=(1, 2, 3)), WHITE, rtol=1e-5)
    np.testing.assert_allclose(eroded.min(axis=(1, 2, 3)), BLACK, rtol=1e-5)


def test_random_erasing_blackens_a_rectangle_of_some_images(data: Dataset) -> None:
    plain, labels = epoch(TrainingBatches(data, settings(7), seed=1), 0)
    changed, same = epoch(TrainingBatches(data, settings(7, random_erasing=0.4), seed=1), 0)
    assert same.dtype == labels.dtype
    np.testing.assert_array_equal(labels, same)
    erased = changed == BLACK
    np.testing.assert_array_equal(changed[~erased], plain[~erased])
    for image in (hit := erased[erased.any(axis=(1, 2, 3)), ..., 0]):
        rows, columns = image.any(axis=1), image.any(axis=0)
        np.testing.assert_array_equal(image, rows[:, None] & columns)
    assert 0.25 < len(hit) / len(labels) < 0.55


def test_mixup_mixes_images_as_it_mixes_their_labels(data: Dataset) -> None:
    data = replace(data, images=data.images % 10)
    how = settings(32, mixup=0.4)
    mixed, labels = epoch(TrainingBatches(data, how, seed=1), 0)
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0], labels @ np.arange(10), atol=1e-5)
    assert ((labels > 0.01).sum(axis=1) == 2).mean() > 0.5
    _, of_dev = next(iter(dev_of(data, how)))
    np.testing.assert_array_equal(of_dev, np.tile(np.eye(10), (2, 1)))


def test_layers_of_keras_draw_anew_in_every_epoch_and_the_same_again(data: Dataset) -> None:
    how = settings(32, random_erasing=0.5, mixup=0.4)
    batches = TrainingBatches(data, how, seed=1)
    first, second = epoch(batches, 0), epoch(batches, 1)
    again = epoch(TrainingBatches(data, how, seed=1), 1)
    for ours, theirs in zip(second, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    kept = [(labels.max(axis=1) > 0.99).mean() for _, labels in (first, second)]
    erased = [(images == BLACK).mean() for images, _ in (first, second)]
    assert kept[0] != kept[1]
    assert erased[0] != erased[1]


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("lenet5_v2", [-0.088497, -0.114436, -0.115984, -0.077386, -0.08585, -0.076941]),
        ("lenet5_pen", [-0.198314, -0.232097, -0.223315, -0.084096, -0.06658, -0.09781]),
    ],
)
def test_published_networks_learned_from_the_same_draws(name: str, means: list[float]) -> None:
    """The means of the first images of an epoch, as they were when all of it was always drawn."""
    data = drawn(30, slice(4, 24), slice(12, 16))
    changed, labels = epoch(TrainingBatches(data, ARCHITECTURES[name], seed=1), 2)
    assert labels[:6].tolist() == [9, 4, 3, 1, 3, 9]
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3))[:6], means, atol=1e-5)


def test_reading_in_parts_changes_nothing(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> list[tuple[np.ndarray, np.ndarray]]:
        train, dev = TrainingBatches(data, settings(7), seed=1).dataset(), dev_of(data, settings(7))
        return [pair for batches in (train, dev) for pair in batches.as_numpy_iterator()]

    whole = read()
    monkeypatch.setattr("digits.training.batches.READ_AT_ONCE", 8)
    for (images, labels), (same, their_labels) in zip(whole, read(), strict=True):
        np.testing.assert_array_equal(images, same)
        np.testing.assert_array_equal(labels, their_labels)


def test_dev_images_come_as_they_are_and_tf_data_tunes_nothing(data: Dataset) -> None:
    for batches in (TrainingBatches(data, settings(), seed=1).dataset(), dev_of(data, settings())):
        assert batches.options().autotune.enabled is False
    images, labels = zip(*dev_of(data, settings(8)).as_numpy_iterator(), strict=True)
    assert np.concatenate(images)[:, 0, 0, 0].tolist() == list(range(250, 270))
    assert np.concatenate(labels).tolist() == 2 * list(range(10))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_epoch_holds_no_copy_of_all_images(tmp_path: Path) -> None:
    def memory() -> int:  # of the process alone, in bytes: mapped files do not count
        return 1024 * int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])

    images = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (100_000, 28, 28))
    before = memory()
    for _ in TrainingBatches(dataset(images, len(images)), settings(128), seed=1).dataset():
        pass
    assert memory() - before < images.nbytes / 2
