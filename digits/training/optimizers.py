"""The optimizer of a phase: rates that rise and fall, momentum that does the opposite."""

from typing import Any, TypeAlias

import keras

from digits import config
from digits.config import ByGroup, OneCycle, Optimizer, Phase
from digits.errors import PipelineError
from digits.training import layer_groups

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule


def build(
    settings: Optimizer,
    phase: Phase,
    rate: float | ByGroup,
    steps: int,
    model: keras.Model,
    network: str,
) -> keras.optimizers.Optimizer:
    """Return an optimizer, built for the variables of ``model`` that the phase trains.

    ``rate`` is the highest one, or those of stem and head; ``steps`` are the batches in the phase;
    ``network`` is a module of digits/networks/. Raises PipelineError if Keras has no such
    optimizer, or that has no such argument.
    """
    if isinstance(rate, ByGroup):
        if "global_clipnorm" in (settings.model_extra or {}):
            raise PipelineError(
                "params.yaml: optimizer.global_clipnorm is of all weights at once, and learning "
                "rates by group make one optimizer for each; clipnorm is of one array at a time"
            )
        by_group = {
            group: scheduled(settings, phase.schedule, peak, steps)
            for group, peak in layer_groups.rates(rate, network).items()
        }
        by_path = {
            variable.path: by_group[layer_groups.of_layer(layer, network)]
            for layer in model.layers
            for variable in layer.variables
        }
        optimizer = keras.optimizers.MultiOptimizer(lambda variable: by_path[variable.path])
    else:
        optimizer = scheduled(settings, phase.schedule, rate, steps)
    optimizer.build(model.trainable_variables)
    return optimizer


def make(
    settings: Optimizer, rate: float | Schedule, momentum: Schedule | None = None
) -> keras.optimizers.Optimizer:
    """Return Keras's optimizer of that name with a learning rate, not yet built.

    ``rate`` is a number, or one for every step; ``momentum`` is Adam's ``beta_1`` for every step.
    Raises PipelineError if there is none, or it has no such argument.
    """
    options = settings.model_extra or {}
    try:
        if momentum is not None:
            return CycledAdam(rate, momentum, **options)
        return type(keras.optimizers.get(settings.name))(learning_rate=rate, **options)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(f"params.yaml: optimizer {settings.name}: {reason}") from None


def rate_now(optimizer: keras.optimizers.Optimizer) -> float:
    """Return the learning rate of the next step; with several, the head's."""
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        optimizer = optimizer.optimizers[-1]
    return float(optimizer.learning_rate)


class CycledAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam whose ``beta_1`` follows a schedule, as its learning rate does."""

    def __init__(self, learning_rate: Schedule, momentum: Schedule, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = momentum

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """Take this step's momentum from the schedule, then step as Adam does."""
        self.beta_1 = self.momentum(self.iterations)
        super().apply(grads, trainable_variables)


def scheduled(
    settings: Optimizer, schedule: config.Schedule, peak: float, steps: int
) -> keras.optimizers.Optimizer:
    """Return an optimizer, not yet built, whose rate goes up to ``peak`` and down in ``steps``.

    Raises PipelineError as `make` does, or if the schedule has a momentum that the optimizer has
    not.
    """
    if not isinstance(schedule, OneCycle):
        return make(settings, peak)
    ends = peak / schedule.start_divisor, peak / schedule.end_divisor
    rate = _cycle(schedule, ends[0], peak, ends[1], steps)
    if schedule.momentum is None:
        return make(settings, rate)
    if settings.name != "adam":
        raise PipelineError(
            f"params.yaml: schedule.momentum is for optimizer adam; here it is {settings.name}"
        )
    highest, lowest = schedule.momentum.highest, schedule.momentum.lowest
    momentum = _cycle(schedule, highest, lowest, highest, steps)
    return make(settings, rate, momentum)


def _cycle(schedule: OneCycle, start: float, turn: float, end: float, steps: int) -> Schedule:
    """From ``start`` in a straight line to ``turn``, then along a cosine to ``end``."""
    warmup = min(round(schedule.warmup * steps), steps - 1)  # a step at least is left to go back
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=start,
        warmup_target=turn,
        warmup_steps=warmup,
        decay_steps=steps - warmup,
        alpha=end / turn,
    )
