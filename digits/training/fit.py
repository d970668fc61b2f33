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

from digits.config import Architecture, Phase, Plateau, Spread
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import layer_groups, optimizers
from digits.training.batches import TrainingBatches, dev_batches
from digits.training.checkpoint import Checkpoint

STEPS_PER_EXECUTION = 8  # fewer returns to Python; small networks gain a quarter


def fit(
    model: keras.Model,
    settings: Architecture,
    data: Dataset,
    seed: int,
    checkpoint: Path,
    identity: str,
    on_curves: Callable[[pd.DataFrame], None],
    *,
    suggested: float | None = None,
    on_phase: Callable[[int], None] = lambda number: None,
) -> None:
    """Train ``model`` in place, phase by phase; resume from ``checkpoint`` if it is of this run.

    Args:
        model: freshly built, uncompiled.
        settings: optimizer, phases, augmentation.
        data: the images; ``train`` rows are learned, ``dev`` rows watched.
        seed: of order, augmentation and dropout, together with the epoch.
        checkpoint: an ``.npz`` file, replaced after every epoch.
        identity: what determines the run, in short; a checkpoint of another identity is ignored.
        on_curves: called after every epoch with the curves so far: epoch (from 1), phase (from 1),
            loss, cross_entropy (the loss without the L2 penalty, nats), accuracy, dev_loss,
            dev_cross_entropy, dev_accuracy, learning_rate (at the epoch's end, of the head).
        suggested: the learning rate for phases that ask for a suggested one.
        on_phase: called at each phase's end with its number; once more if the run is resumed
            before the next phase's first epoch is over.

    Raises:
        PipelineError: the loss is not a finite number any more, or the phases ask for what the
            network or the run has not.
    """
    layer_groups.check(model.name, settings)
    batches = TrainingBatches(data, settings, seed)
    keeper = Checkpoint(checkpoint, identity)
    if keeper.rows:
        total = sum(phase.epochs for phase in settings.plan)
        print(f"resuming after epoch {len(keeper.rows)} of {total}", flush=True)
        on_curves(pd.DataFrame(keeper.rows))
    for number, phase in enumerate(settings.plan, 1):
        if number < keeper.phase:
            continue
        keeper.begin(number, _watchers(phase, settings))
        layer_groups.set_trainable(model, settings.network, phase)
        _compile(model, settings, phase, _rate(phase, suggested), batches.per_epoch)
        if keeper.finished:
            keeper.finish(model)
        else:
            _fit_phase(model, phase, data, batches, keeper, seed, on_curves)
        on_phase(number)


def _rate(phase: Phase, suggested: float | None) -> float | Spread:
    if phase.learning_rate != "suggested":
        return phase.learning_rate
    if suggested is None:
        raise PipelineError("a phase asks for a suggested learning rate, and none was found")
    return suggested


def _compile(
    model: keras.Model,
    settings: Architecture,
    phase: Phase,
    rate: float | Spread,
    steps_per_epoch: int,
) -> None:
    steps = phase.epochs * steps_per_epoch
    kind, network = settings.optimizer.name, settings.network
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")
    model.compile(
        optimizer=optimizers.build(kind, phase, rate, steps, model, network),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", cross_entropy],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # XLA's convolutions take several times as long on CPUs
    )


def _fit_phase(
    model: keras.Model,
    phase: Phase,
    data: Dataset,
    batches: TrainingBatches,
    keeper: Checkpoint,
    seed: int,
    on_curves: Callable[[pd.DataFrame], None],
) -> None:
    done = len(keeper.rows)
    model.fit(
        batches.dataset(),
        epochs=done - keeper.done_in_phase + phase.epochs,
        initial_epoch=done,
        shuffle=False,  # the batches come shuffled
        validation_data=dev_batches(data, batches.settings.batch_size),
        callbacks=[
            _Reseed(batches, seed),
            _Curves(keeper, on_curves),
            *keeper.watchers,
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
    """Adds each epoch's figures to the checkpoint's rows and hands on the whole."""

    def __init__(self, keeper: Checkpoint, on_curves: Callable[[pd.DataFrame], None]) -> None:
        super().__init__()
        self.keeper = keeper
        self.on_curves = on_curves

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        if not all(math.isfinite(value) for value in logs.values()):
            raise PipelineError(
                f"the loss of {self.model.name} is no finite number after epoch {epoch + 1}; "
                "a lower learning rate in params.yaml may help; no model was written"
            )
        self.keeper.rows.append(
            {
                "epoch": epoch + 1,
                "phase": self.keeper.phase,
                "loss": logs["loss"],
                "cross_entropy": logs["cross_entropy"],
                "accuracy": logs["accuracy"],
                "dev_loss": logs["val_loss"],
                "dev_cross_entropy": logs["val_cross_entropy"],
                "dev_accuracy": logs["val_accuracy"],
                "learning_rate": optimizers.rate_now(self.model.optimizer),
            }
        )
        self.on_curves(pd.DataFrame(self.keeper.rows))


def _watchers(phase: Phase, settings: Architecture) -> list[keras.callbacks.Callback]:
    """Return Keras's callbacks that act on dev loss; resuming, they see the epochs again."""
    watchers: list[keras.callbacks.Callback] = []
    if isinstance(phase.schedule, Plateau):
        watchers.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss",
                factor=phase.schedule.factor,
                patience=phase.schedule.patience,
            )
        )
    if settings.early_stopping:
        watchers.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=settings.early_stopping, restore_best_weights=True
            )
        )
    return watchers
