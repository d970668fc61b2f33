"""The training images, shuffled and augmented anew in every epoch."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits import networks
from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.training import augmentation

READ_AT_ONCE = 8192  # images, whose changes are drawn together, too; bounds memory
PREFETCHED = 32  # batches, as many as are learned without a return to Python


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
        self.layers = augmentation.layers(recipe.augment, self.black, self.white)
        self.per_epoch = math.ceil(len(data.rows["train"]) / recipe.batch_size)

    def dataset(self) -> tf.data.Dataset:
        """Return batches of images, float32 (n, 28, 28, 1), and labels, uint8 (n,).

        Soft labels are float32 (n, 10).
        """
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
        for index, layer in enumerate(self.layers, 2):  # 0 and 1 are of the next lines
            seeds = np.random.SeedSequence((self.seed, self.epoch, index))
            layer.generator.state.assign(seeds.generate_state(2))
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
        images = augmentation.apply(images, batch, self.black, self.white)
        labels = _soft(batch["labels"]) if self.recipe.soft_labels else batch["labels"]
        for layer in self.layers:
            changed = layer({"images": images, "labels": labels})
            images = changed["images"]
            labels = tf.cast(changed["labels"], labels.dtype)
        return images, labels


def dev_batches(data: Dataset, recipe: Architecture) -> tf.data.Dataset | None:
    """Return the dev images and labels, as a recipe has its training batches; None without any."""
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
    batches = tf.data.Dataset.from_generator(read, output_signature=signature)
    batches = batches.rebatch(recipe.batch_size)
    if recipe.soft_labels:
        batches = batches.map(lambda images, labels: (images, _soft(labels)))
    return _epoch(batches, math.ceil(len(rows) / recipe.batch_size))


def _soft(labels: tf.Tensor) -> tf.Tensor:
    return tf.one_hot(labels, networks.CLASSES)


def _epoch(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Say how many batches there are, and let `tf.data` tune nothing.

    The thread that tunes sleeps for seconds, later for a minute, and may miss that an epoch is
    over; the next epoch then waits for it to wake up.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.apply(tf.data.experimental.assert_cardinality(count)).with_options(options)
