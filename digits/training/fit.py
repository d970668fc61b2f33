"""The one way to train: so that it repeats bit for bit, also after an interruption.

All randomness of an epoch (order, augmentation, dropout) follows from the seed and the epoch's
number, so a run that resumes at an epoch needs no random state from before it.
"""

import hashlib
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from digits import networks
from digits.config import Architecture, Phase, Plateau
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.io import MEASURED
from digits.training import determinism, layer_groups, model_file, optimizers
from digits.training.batches import PREFETCHED, TrainingBatches, dev_batches
from digits.training.checkpoint import Checkpoint
from digits.training.identity import identify

STEPS_PER_EXECUTION = PREFETCHED  # fewer returns to Python; small networks gain a third

OnCurves = Callable[[pd.DataFrame], object]


def build(
    name: str,
    recipe: Architecture,
    data: Dataset,
    seed: int,
    threads: int,
    backbone: Path | None = None,
) -> keras.Model:
    """Return the network of a recipe as its training begins with it, with weights of ``seed``.

    Mean and standard deviation of ``data`` undo the standardization, if the recipe wants it so;
    ``threads`` of TensorFlow are pinned in this process. ``backbone`` has weights that
    `keras.Model.save_weights` wrote, if the recipe is ``pretrained``.

    Raises PipelineError if the network has no place for a setting, the weights are of another one,
    or a phase asks for what the optimizer or the data has not.
    """
    keras.backend.clear_session()  # names of layers count from the first of a process
    determinism.pin(seed, threads)
    model = networks.build(name, recipe, data.mean, data.std)
    layer_groups.check(name, recipe)
    for phase in phases_of(recipe).values():
        optimizers.scheduled(recipe.optimizer, phase.schedule, peak=1.0, steps=1)
        _watchers(phase, recipe, data)
    if backbone:
        layer_groups.load_backbone(model, recipe.network, backbone)
    return model


def fit(
    model: keras.Model,
    recipe: Architecture,
    data: Dataset,
    seed: int,
    threads: int,
    folder: Path,
    *,
    learning_rate: float | None = None,
    on_curves: OnCurves = lambda table: None,
) -> list[Path]:
    """Train ``model`` in place, phase by phase, going on from what ``folder`` has of this run.

    The rows ``train`` of ``data`` are learned, ``dev``, if there are any, watched. ``seed`` decides
    order, augmentation and dropout, together with the epoch; ``threads`` are those pinned by
    `build`. ``folder`` is for the state after every epoch, and for the files of the network at each
    phase's end, which are returned; it may go when they are copied. What is there of another
    training is ignored. ``learning_rate`` is for phases that ask for a suggested one.

    ``on_curves`` is called after every epoch with the curves so far: epoch (from 1), phase (from
    1), loss, cross_entropy (the loss without penalties, nats), accuracy, dev_loss,
    dev_cross_entropy, dev_accuracy, learning_rate (at the epoch's end, of the head).

    Raises PipelineError if the loss is not a finite number any more, or the recipe asks for what
    the network or the run has not.
    """
    phases = phases_of(recipe)
    batches = TrainingBatches(data, recipe, seed)
    begin = hashlib.sha256(b"".join(np.asarray(weight).tobytes() for weight in model.weights))
    more = begin.hexdigest(), learning_rate
    keeper = Checkpoint(folder / "state.npz", identify(recipe, data.digest, seed, threads, *more))
    if keeper.rows:
        total = sum(phase.epochs for phase in phases.values())
        print(f"resuming after epoch {len(keeper.rows)} of {total}", flush=True)
        on_curves(pd.DataFrame(keeper.rows))
    ends = [folder / f"phase-{number}.keras" for number, _ in enumerate(phases, 1)]
    for number, (trainable, phase) in enumerate(phases.items(), 1):
        if number < keeper.phase:
            continue
        keeper.begin(number, _watchers(phase, recipe, data))
        layer_groups.set_trainable(model, recipe.network, trainable)
        _compile(model, recipe, phase, learning_rate, batches.per_epoch)
        if keeper.finished:
            keeper.finish(model)
        else:
            every_epoch = keras.callbacks.LambdaCallback(
                on_epoch_begin=partial(_reseed, model, batches),
                on_epoch_end=partial(_note, model, keeper, on_curves),
            )
            done = len(keeper.rows)
            model.fit(
                batches.dataset(),
                epochs=done - len(keeper.rows_of_phase) + phase.epochs,
                initial_epoch=done,
                shuffle=False,  # the batches come shuffled
                validation_data=dev_batches(data, recipe),
                callbacks=[every_epoch, *keeper.watchers, keeper],
                verbose=1 if sys.stdout.isatty() else 2,
            )
        model_file.save(model, ends[number - 1])
    return ends


def phases_of(recipe: Architecture) -> dict[str, Phase]:
    """Return the phases by what they train; a training in one go is one with everything."""
    if recipe.phases is not None:
        return {str(name): phase for name, phase in recipe.phases.items()}
    epochs, rate = recipe.epochs, recipe.optimizer.learning_rate
    assert epochs is not None and rate is not None  # noqa: PT018, S101 - as the schema has it
    return {"all": Phase(epochs=epochs, learning_rate=rate, schedule=recipe.schedule)}


def _compile(
    model: keras.Model, recipe: Architecture, phase: Phase, suggested: float | None, per_epoch: int
) -> None:
    rate = phase.learning_rate if phase.learning_rate != "suggested" else suggested
    if rate is None:
        raise PipelineError("a phase asks for a suggested learning rate, and none was found")
    steps = phase.epochs * per_epoch
    kind = "CategoricalCrossentropy" if recipe.soft_labels else "SparseCategoricalCrossentropy"
    cross_entropy = getattr(keras.metrics, kind)(name="cross_entropy")
    model.compile(
        optimizer=optimizers.build(recipe.optimizer, phase, rate, steps, model, recipe.network),
        loss=loss(recipe),
        metrics=["accuracy", cross_entropy],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # Keras takes no XLA where TensorFlow is deterministic
    )


def loss(recipe: Architecture) -> keras.losses.Loss:
    """Return the mean cross-entropy of a batch, with the recipe's label smoothing."""
    if recipe.soft_labels:
        return keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy()


def _reseed(model: keras.Model, batches: TrainingBatches, epoch: int, logs: object) -> None:
    """Tie an epoch's order, augmentation and dropout to the seed and its number."""
    batches.epoch = epoch
    dropouts = [layer for layer in model.layers if hasattr(layer, "seed_generator")]
    for index, layer in enumerate(dropouts):
        seeds = np.random.SeedSequence((batches.seed, epoch, index))
        layer.seed_generator.state.assign(seeds.generate_state(2))


def _note(
    model: keras.Model, keeper: Checkpoint, on_curves: OnCurves, epoch: int, logs: dict[str, float]
) -> None:
    """Add an epoch's metrics to the checkpoint's rows and hand on the whole."""
    if not all(math.isfinite(value) for value in logs.values()):
        raise PipelineError(
            f"the loss of {model.name} is no finite number after epoch {epoch + 1}; "
            "a lower learning rate in params.yaml may help; no model was written"
        )
    keeper.rows.append(
        {
            "epoch": epoch + 1,
            "phase": keeper.phase,
            **{name: logs[name] for name in MEASURED},
            **{f"dev_{name}": logs.get(f"val_{name}", math.nan) for name in MEASURED},
            "learning_rate": optimizers.rate_now(model.optimizer),
        }
    )
    on_curves(pd.DataFrame(keeper.rows))


def _watchers(phase: Phase, recipe: Architecture, data: Dataset) -> list[keras.callbacks.Callback]:
    """Return Keras's callbacks that act on dev loss; raises PipelineError if dev has no images."""
    watchers: list[keras.callbacks.Callback] = []
    if isinstance(how := phase.schedule, Plateau):
        watchers += [keras.callbacks.ReduceLROnPlateau(factor=how.factor, patience=how.patience)]
    if recipe.early_stopping:
        watchers += [
            keras.callbacks.EarlyStopping(patience=recipe.early_stopping, restore_best_weights=True)
        ]
    if watchers and not len(data.rows["dev"]):
        raise PipelineError("schedule plateau and early_stopping act on dev, which has no images")
    return watchers
