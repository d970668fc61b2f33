"""The training images, shuffled and augmented anew in every epoch."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.training import augmentation

READ_AT_ONCE = 8192  # images, whose changes are drawn together, too; bounds memory
PREFETCHED = 8  # batches, as many as are learned without a return to Python


class TrainingBatches:
    """The training images, shuffled and augmented anew in each epoch, as a `tf.data.Dataset`.

    ``epoch`` says which epoch the next pass over the dataset is for.
    """

    def __init__(self, data: Dataset, recipe: Architecture, seed: int) -> None:
        self.data = data
        self.recipe = recipe
        self.seed = seed
        self.epoch = 0
        self.black = -data.mean / data.std
        self.white = (255 - data.mean) / data.std
        self.per_epoch = math.ceil(len(data.rows["train"]) / recipe.batch_size)

    def dataset(self) -> tf.data.Dataset:
        """Return batches of images, float32 (n, 28, 28, 1), and labels, uint8 (n,)."""
        size = self.data.images.shape[1]
        signature = {
            "images": tf.TensorSpec((None, size, size), tf.float32),
            "labels": tf.TensorSpec((None,), tf.uint8),
            **augmentation.signature(self.recipe.augment),
        }
        batches = (
            tf.data.Dataset.from_generator(self._draw, output_signature=signature)
            .rebatch(self.recipe.batch_size)
            .map(self._augment)
        )
        return _epoch(batches.prefetch(PREFETCHED), self.per_epoch)

    def _draw(self) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
        """Decide the order of the images and what happens to each, and read them.

        They are read here, since `tf.data` copies whatever its graph holds.
        """
        rng = np.random.default_rng((self.seed, self.epoch))
        pen = np.random.default_rng((self.seed, self.epoch, 1))
        order = rng.permutation(self.data.rows["train"])
        middle = (self.black + self.white) / 2
        for start in range(0, len(order), READ_AT_ONCE):
            rows = order[start : start + READ_AT_ONCE]
            images, labels = self.data.images[rows], self.data.labels[rows]
            changes = augmentation.draw(self.recipe.augment, images, labels, middle, rng, pen)
            yield {"images": images, "labels": labels, **changes}

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _augment(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        images = batch["images"][..., tf.newaxis]
        return augmentation.apply(images, batch, self.black, self.white), batch["labels"]


def dev_batches(data: Dataset, batch_size: int) -> tf.data.Dataset | None:
    """Return the dev images, float32 (n, 28, 28, 1), and labels, uint8 (n,); None without any."""
    rows = data.rows["dev"]
    if not len(rows):
        return None

    def read() -> Iterator[tuple[npt.NDArray[np.generic], ...]]:
        for start in range(0, len(rows), READ_AT_ONCE):
            part = rows[start : start + READ_AT_ONCE]
            yield data.images[part][..., np.newaxis], data.labels[part]

    signature = (
        tf.TensorSpec((None, *data.images.shape[1:], 1), tf.float32),
        tf.TensorSpec((None,), tf.uint8),
    )
    batches = tf.data.Dataset.from_generator(read, output_signature=signature).rebatch(batch_size)
    return _epoch(batches, math.ceil(len(rows) / batch_size))


def _epoch(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Say how many batches there are, and let `tf.data` tune nothing.

    The thread that tunes sleeps for seconds, later for a minute, and may miss that an epoch is
    over; the next epoch then waits for it to wake up.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.apply(tf.data.experimental.assert_cardinality(count)).with_options(options)
