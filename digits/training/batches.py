"""The training images, shuffled and augmented anew in every epoch."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.training import augmentation, pen_strokes

READ_AT_ONCE = 8192  # images, whose transforms are drawn together, too; bounds memory
PREFETCHED = 8  # batches, as many as are learned without a return to Python


class TrainingBatches:
    """The training images, shuffled and augmented anew in each epoch, as a `tf.data.Dataset`.

    ``epoch`` says which epoch the next pass over the dataset is for.
    """

    def __init__(self, data: Dataset, settings: Architecture, seed: int) -> None:
        self.data = data
        self.settings = settings
        self.seed = seed
        self.epoch = 0
        self.black = -data.mean / data.deviation
        self.white = (255 - data.mean) / data.deviation
        self.per_epoch = math.ceil(len(data.rows["train"]) / settings.batch_size)

    def dataset(self) -> tf.data.Dataset:
        """Return batches of images, float32 (n, 28, 28, 1), and labels, uint8 (n,)."""
        signature = (
            tf.TensorSpec((None, *self.data.images.shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.uint8),
            tf.TensorSpec((None, 8), tf.float32),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((None, len(pen_strokes.VARIANTS), 5), tf.float32),
        )
        batches = (
            tf.data.Dataset.from_generator(self._draw, output_signature=signature)
            .rebatch(self.settings.batch_size)
            .map(self._augment)
        )
        return _epoch(batches.prefetch(PREFETCHED), self.per_epoch)

    def _draw(self) -> Iterator[tuple[npt.NDArray[np.generic], ...]]:
        """Decide the order of the images and what happens to each, and read them.

        They are read here, since `tf.data` copies whatever its graph holds.
        """
        rng = np.random.default_rng((self.seed, self.epoch))
        pen = np.random.default_rng((self.seed, self.epoch, 1))
        settings = self.settings.augment
        side = self.data.images.shape[1]
        order = rng.permutation(self.data.rows["train"])
        for start in range(0, len(order), READ_AT_ONCE):
            rows = order[start : start + READ_AT_ONCE]
            transforms = augmentation.draw_transforms(settings, len(rows), side, rng, pen)
            weights = pen.uniform(-settings.thin, settings.thick, len(rows)).astype(np.float32)
            images, labels = self.data.images[rows], self.data.labels[rows]
            strokes = np.zeros((len(rows), len(pen_strokes.VARIANTS), 5), np.float32)
            if settings.variants:
                ink = images > (self.black + self.white) / 2
                strokes = pen_strokes.draw_strokes(ink, labels, settings.variants, pen)
            yield images, labels, transforms, weights, strokes

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def _augment(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        transforms: tf.Tensor,
        weights: tf.Tensor,
        strokes: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = images[..., tf.newaxis]
        settings = self.settings.augment
        if settings.variants:
            extra = pen_strokes.render(strokes, self.data.images.shape[1])
            images = tf.maximum(images, self.black + (self.white - self.black) * extra)
        if settings.thin or settings.thick:
            images = augmentation.weigh(images, weights)
        if any((settings.rotation, settings.zoom, settings.shift, settings.slant)):
            images = augmentation.warp(images, transforms, self.black)
        if settings.thin or settings.thick:
            images = augmentation.whiten(images, self.black, self.white)
        return images, labels


def dev_batches(data: Dataset, batch_size: int) -> tf.data.Dataset:
    """Return the dev images, float32 (n, 28, 28, 1), and labels, uint8 (n,), as they are."""
    rows = data.rows["dev"]

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
