"""Training one network so that it repeats bit for bit, also after an interruption.

All randomness of an epoch (order, augmentation, dropout) follows from the seed and the epoch's
number, so a run that resumes at an epoch needs no random state from before it.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from digits.batches import TrainingBatches, dev_batches
from digits.checkpoint import Checkpoint
from digits.dataset import Dataset
from digits.errors import PipelineError
from digits.params import Architecture, OneCycle, Plateau

STEPS_PER_EXECUTION = 8  # fewer returns to Python; small networks gain a quarter


def fit(
    model: keras.Model,
    settings: Architecture,
    data: Dataset,
    seed: int,
    checkpoint: Path,
    identity: str,
    on_curves: Callable[[pd.DataFrame], None],
) -> None:
    """Train ``model`` in place; resume from ``checkpoint`` if it belongs to the same run.

    Args:
        model: freshly built, uncompiled.
        settings: optimizer, schedule, epochs, augmentation.
        data: the images; ``train`` rows are learned, ``dev`` rows watched.
        seed: of order, augmentation and dropout, together with the epoch.
        checkpoint: an ``.npz`` file, replaced after every epoch.
        identity: what determines the run, in short; a checkpoint of another identity is ignored.
        on_curves: called after every epoch with the curves so far: epoch (from 1), loss,
            cross_entropy (the loss without the L2 penalty, nats), accuracy, dev_loss,
            dev_cross_entropy, dev_accuracy, learning_rate (at the epoch's end).

    Raises:
        PipelineError: the loss is not a finite number any more.
    """
    batches = TrainingBatches(data, settings, seed)
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")
    model.compile(
        optimizer=_optimizer(settings, batches.per_epoch),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", cross_entropy],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # XLA's convolutions take several times as long on CPUs
    )
    model.optimizer.build(model.trainable_variables)
    watchers = _watchers(settings)
    keeper = Checkpoint(checkpoint, identity, watchers)
    if keeper.rows:
        print(f"resuming after epoch {len(keeper.rows)} of {settings.epochs}", flush=True)
        on_curves(pd.DataFrame(keeper.rows))
    if keeper.finished:
        keeper.finish(model)
        return
    model.fit(
        batches.dataset(),
        epochs=settings.epochs,
        initial_epoch=len(keeper.rows),
        shuffle=False,  # the batches come shuffled
        validation_data=dev_batches(data, settings.batch_size),
        callbacks=[
            _Reseed(batches, seed),
            _Curves(keeper.rows, on_curves),
            *watchers,
            keeper,
        ],
        verbose=1 if sys.stdout.isatty() else 2,
    )


class _Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Ties an epoch's order, augmentation and dropout to the seed and its number."""

    def __init__(self, batches: TrainingBatches, seed: int) -> None:
        super().__init__()
        self.batches = batches
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.epoch = epoch
        dropouts = [layer for layer in self.model.layers if hasattr(layer, "seed_generator")]
        for index, layer in enumerate(dropouts):
            seeds = np.random.SeedSequence((self.seed, epoch, index))
            layer.seed_generator.state.assign(seeds.generate_state(2))


class _Curves(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds each epoch's figures to ``rows`` and hands on the whole."""

    def __init__(
        self, rows: list[dict[str, float]], on_curves: Callable[[pd.DataFrame], None]
    ) -> None:
        super().__init__()
        self.rows = rows
        self.on_curves = on_curves

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if not all(math.isfinite(value) for value in logs.values()):
            raise PipelineError(
                f"the loss of {self.model.name} is no finite number after epoch {epoch + 1}; "
                f"a lower architectures.{self.model.name}.optimizer.learning_rate may help; "
                "no model was written"
            )
        self.rows.append(
            {
                "epoch": epoch + 1,
                "loss": logs["loss"],
                "cross_entropy": logs["cross_entropy"],
                "accuracy": logs["accuracy"],
                "dev_loss": logs["val_loss"],
                "dev_cross_entropy": logs["val_cross_entropy"],
                "dev_accuracy": logs["val_accuracy"],
                "learning_rate": float(self.model.optimizer.learning_rate),
            }
        )
        self.on_curves(pd.DataFrame(self.rows))


def _optimizer(settings: Architecture, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    optimizers = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "adadelta": keras.optimizers.Adadelta,
    }
    rate: float | keras.optimizers.schedules.LearningRateSchedule = settings.optimizer.learning_rate
    if isinstance(settings.schedule, OneCycle):
        rate = _one_cycle(settings.schedule, rate, settings.epochs * steps_per_epoch)
    return optimizers[settings.optimizer.name](learning_rate=rate)


def _one_cycle(
    schedule: OneCycle, peak: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = min(round(schedule.warmup * steps), steps - 1)  # a step at least is left to fall
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / schedule.start_divisor,
        warmup_target=peak,
        warmup_steps=warmup,
        decay_steps=steps - warmup,
        alpha=1 / schedule.end_divisor,
    )


def _watchers(settings: Architecture) -> list[keras.callbacks.Callback]:
    """Return Keras's callbacks that act on dev loss; both see every epoch again on resuming."""
    watchers: list[keras.callbacks.Callback] = []
    if isinstance(settings.schedule, Plateau):
        watchers.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss",
                factor=settings.schedule.factor,
                patience=settings.schedule.patience,
            )
        )
    if settings.early_stopping:
        watchers.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=settings.early_stopping, restore_best_weights=True
            )
        )
    return watchers
