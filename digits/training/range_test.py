"""Which learning rate to train with: a short training with a rising rate shows it.

Smith, L. N. (2017), Cyclical learning rates for training neural networks, WACV, section 3.3.
Only the rate changes. Adam's beta_1 stays the optimizer's own, as in `lr_find` of fastai, which the
source of resnet34 used; the training then cycles it.
"""

import math
from collections.abc import Callable

import keras
import pandas as pd

from digits.config import Architecture, RangeTest
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import layer_groups, optimizers
from digits.training.batches import TrainingBatches
from digits.training.fit import loss, phases_of

BELOW_LOWEST = 10  # where the loss is lowest, the rate is about to be too high


def run(
    model: keras.Model,
    recipe: Architecture,
    data: Dataset,
    seed: int,
    on_batch: Callable[[], object] = lambda: None,
) -> pd.DataFrame:
    """Train ``model`` with a rate that rises by the same factor from batch to batch.

    It is uncompiled, with the weights that the training begins with; what the first phase freezes
    that asks for a suggested rate is frozen. The recipe says optimizer, batch size, augmentation,
    the rates and when to stop. ``seed`` decides order and augmentation of the ``train`` rows;
    ``on_batch`` is called after every batch.

    The result has a row a batch: batch (from 1), learning_rate, loss (of this batch, nats),
    smoothed_loss (weighted mean of the losses so far). The last row is the one the loss diverged
    at, if any. Raises PipelineError if the first loss already is no finite number.
    """
    test = recipe.range_test
    phases = phases_of(recipe).items()
    asking = next(name for name, phase in phases if phase.learning_rate == "suggested")
    layer_groups.set_trainable(model, recipe.network, asking)
    rising = keras.optimizers.schedules.ExponentialDecay(
        test.lowest, test.batches - 1, test.highest / test.lowest
    )
    model.compile(
        optimizers.make(recipe.optimizer, rising),
        loss=loss(recipe),
        jit_compile=False,
    )
    batches = TrainingBatches(data, recipe, seed)
    recorder = _Recorder(batches, rising, test, on_batch)
    model.fit(
        batches.dataset(),
        epochs=math.ceil(test.batches / batches.per_epoch),
        shuffle=False,  # the batches come shuffled
        callbacks=[recorder],
        verbose=0,
    )
    if not recorder.rows:
        raise PipelineError(
            f"the loss of {model.name} is no finite number from the first batch on, before "
            "anything was learned: its weights or the images are not finite"
        )
    return pd.DataFrame(recorder.rows)


def suggest(curve: pd.DataFrame) -> float:
    """Return a tenth of the rate at which the smoothed loss was lowest, to two digits.

    Raises PipelineError if it was lowest at the first rate: all are too high.
    """
    best = int(curve["smoothed_loss"].argmin())
    if best == 0:
        raise PipelineError(
            f"the loss only rose, from learning rate {curve['learning_rate'][0]:g} on; "
            "expected it to fall first; a lower range_test.lowest may help"
        )
    return float(f"{curve['learning_rate'][best] / BELOW_LOWEST:.2g}")


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes every batch's loss, and stops the training when it diverges or all rates are done."""

    def __init__(
        self,
        batches: TrainingBatches,
        rising: keras.optimizers.schedules.LearningRateSchedule,
        test: RangeTest,
        on_batch: Callable[[], object],
    ) -> None:
        super().__init__()
        self.batches = batches
        self.rising = rising
        self.test = test
        self.on_batch = on_batch
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.model.reset_metrics()  # else the loss is the mean of the epoch so far

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            self.model.stop_training = True
            return
        losses = pd.Series([*(row["loss"] for row in self.rows), loss])
        smoothed = float(losses.ewm(alpha=1 - self.test.smoothing).mean().iloc[-1])
        self.rows.append(
            {
                "batch": len(self.rows) + 1,
                "learning_rate": float(self.rising(len(self.rows))),
                "loss": loss,
                "smoothed_loss": smoothed,
            }
        )
        lowest = min(row["smoothed_loss"] for row in self.rows)
        diverged = smoothed > self.test.divergence * lowest
        self.model.stop_training = diverged or len(self.rows) == self.test.batches
        self.on_batch()
