"""Which learning rate to train with: a short training with a rising rate shows it.

Smith, L. N. (2017), Cyclical learning rates for training neural networks, WACV, section 3.3.
Only the rate changes. Adam's beta_1 stays the optimizer's own, as in `lr_find` of fastai, which the
source of resnet34 used; the training then cycles it.
"""

import math
from collections.abc import Callable

import keras
import pandas as pd

from digits.config import Architecture
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
    that asks for a suggested rate is frozen. ``seed`` decides order and augmentation of the
    ``train`` rows. The result has a row a batch: batch (from 1), learning_rate, loss (of this
    batch, nats), smoothed_loss (weighted mean of the losses so far). The last row is the one the
    loss diverged at, if any. Raises PipelineError if the first loss already is no finite number.
    """
    test = recipe.range_test
    phases = phases_of(recipe).items()
    asking = next(name for name, phase in phases if phase.learning_rate == "suggested")
    layer_groups.set_trainable(model, recipe.network, asking)
    rising = keras.optimizers.schedules.ExponentialDecay(
        test.lowest, test.batches - 1, test.highest / test.lowest
    )
    model.compile(optimizers.make(recipe.optimizer, rising), loss=loss(recipe), jit_compile=False)
    batches = TrainingBatches(data, recipe, seed)
    rows: list[dict[str, float]] = []

    def begin_epoch(epoch: int, logs: object) -> None:
        batches.epoch = epoch

    def begin_batch(batch: int, logs: object) -> None:
        model.reset_metrics()  # else the loss is the mean of the epoch so far

    def end_batch(batch: int, logs: dict[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            model.stop_training = True
            return
        losses = pd.Series([*(row["loss"] for row in rows), logs["loss"]])
        smoothed = float(losses.ewm(alpha=1 - test.smoothing).mean().iloc[-1])
        rows.append(
            {
                "batch": len(rows) + 1,
                "learning_rate": float(rising(len(rows))),
                "loss": logs["loss"],
                "smoothed_loss": smoothed,
            }
        )
        diverged = smoothed > test.divergence * min(row["smoothed_loss"] for row in rows)
        model.stop_training = diverged or len(rows) == test.batches
        on_batch()

    model.fit(
        batches.dataset(),
        epochs=math.ceil(test.batches / batches.per_epoch),
        shuffle=False,  # the batches come shuffled
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=begin_epoch,
                on_train_batch_begin=begin_batch,
                on_train_batch_end=end_batch,
            )
        ],
        verbose=0,
    )
    if not rows:
        raise PipelineError(
            f"the loss of {model.name} is no finite number from the first batch on, before "
            "anything was learned: its weights or the images are not finite"
        )
    return pd.DataFrame(rows)


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
