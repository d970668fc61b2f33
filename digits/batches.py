"""The training images, shuffled and augmented anew in every epoch."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits import augment
from digits.dataset import Dataset
from digits.params import Architecture

BATCHES_READ_AT_ONCE = 32  # few enough for memory, many enough to keep Python out of the way


class TrainingBatches:
    """The training images, shuffled and augmented anew in each epoch, as a `tf.data.Dataset`.

    ``epoch`` says which epoch the next pass over the dataset is for.
    """

    def __init__(self, data: Dataset, settings: Architecture, seed: int) -> None:
        self.data = data
        self.settings = settings
        self.seed = seed
        self.epoch = 0
        self.per_epoch = math.ceil(len(data.rows["train"]) / settings.batch_size)

    def dataset(self) -> tf.data.Dataset:
        """Return batches of images, float32 (n, 28, 28, 1), and labels, uint8 (n,)."""
        side = self.data.images.shape[1]
        signature = (
            tf.TensorSpec((None, side, side, 1), tf.float32),
            tf.TensorSpec((None,), tf.uint8),
            tf.TensorSpec((None, 8), tf.float32),
        )
        batches = (
            tf.data.Dataset.from_generator(self._read, output_signature=signature)
            .prefetch(1)
            .rebatch(self.settings.batch_size)
            .map(self._augment)
        )
        cardinality = tf.data.experimental.assert_cardinality(self.per_epoch)
        return batches.apply(cardinality).prefetch(tf.data.AUTOTUNE)

    def _read(self) -> Iterator[tuple[npt.NDArray[np.generic], ...]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.data.rows["train"])
        count = BATCHES_READ_AT_ONCE * self.settings.batch_size
        for start in range(0, len(order), count):
            rows = order[start : start + count]
            images = self.data.images[rows]
            transforms = augment.draw_transforms(
                self.settings.augment, len(rows), images.shape[1], rng
            )
            yield images[..., np.newaxis], self.data.labels[rows], transforms

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _augment(
        self, images: tf.Tensor, labels: tf.Tensor, transforms: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if any(self.settings.augment.model_dump().values()):
            black = -self.data.mean / self.data.deviation
            images = augment.warp(images, transforms, black)
        return images, labels


def dev_batches(data: Dataset, batch_size: int) -> tf.data.Dataset:
    """Return the dev images and labels in batches, as they are."""
    rows = data.rows["dev"]
    images = data.images[rows][..., np.newaxis]
    return tf.data.Dataset.from_tensor_slices((images, data.labels[rows])).batch(batch_size)
