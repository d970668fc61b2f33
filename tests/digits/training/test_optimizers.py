from typing import Any

import keras
import numpy as np
import pytest

from digits.config import ByGroup, Constant, OneCycle, Optimizer, Phase, Schedule
from digits.errors import PipelineError
from digits.training import layer_groups, optimizers
from tests.digits.training.conftest import CYCLE, build_tiny

ADAM = Optimizer(name="adam")
CYCLED = OneCycle.model_validate({**CYCLE, "start_divisor": 10})
PHASE = Phase(epochs=1, learning_rate=0.1, schedule=CYCLED)
RATES = ByGroup(**{"from": 1e-4, "to": 1e-2})
GRADIENTS = [3.0, -1.0, 2.0, 0.5, -4.0, 1.0, 1.0, 2.0]


def test_rate_and_momentum_cycle_against_each_other() -> None:
    """Adam computed by hand, with the rate and the momentum of each of eight steps."""
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    variable = network.trainable_variables[0]
    variable.assign([[1.0]])
    optimizer = optimizers.build(ADAM, PHASE, 0.1, len(GRADIENTS), network, "dense")
    fall = [(1 + np.cos(np.pi * step / 6)) / 2 for step in range(7)]
    rates = [0.01, 0.055, *(0.001 + 0.099 * share for share in fall)]
    momenta = [0.95, 0.9, *(0.95 - 0.1 * share for share in fall)]
    value, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate(GRADIENTS, 1):
        assert optimizers.rate_now(optimizer) == pytest.approx(rates[step - 1], rel=1e-5)
        optimizer.apply([keras.ops.array([[gradient]])])
        momentum = momenta[step - 1]
        mean += (1 - momentum) * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        rate = rates[step - 1] * np.sqrt(1 - 0.999**step) / (1 - momentum**step)
        value -= rate * mean / (np.sqrt(square) + 1e-7)
        assert float(variable[0, 0]) == pytest.approx(value, rel=1e-4)
    late = {"schedule": PHASE.schedule.model_copy(update={"warmup": 0.999})}
    optimizer = optimizers.build(ADAM, PHASE.model_copy(update=late), 0.1, 1, network, "dense")
    optimizer.apply([keras.ops.array([[1.0]])])
    assert optimizers.rate_now(optimizer) == pytest.approx(0.001)  # one step still ends the cycle


def test_rates_by_group_give_each_a_cycle_of_its_own(tiny: str) -> None:
    network = build_tiny()
    optimizer = optimizers.build(ADAM, PHASE, RATES, 8, network, tiny)
    before = {v.path: np.array(v) for v in network.trainable_variables}
    optimizer.apply([keras.ops.ones(v.shape) for v in network.trainable_variables])
    assert optimizers.rate_now(optimizer) == pytest.approx(0.0055)  # the head's, after one step
    for layer in network.layers:
        step = {"stem": 1e-5, "middle": 1e-4, "head": 1e-3}[layer_groups.of_layer(layer, tiny)]
        for variable in layer.trainable_variables:  # Adam's first step is the rate itself
            np.testing.assert_allclose(before[variable.path] - variable, step, rtol=0.02)


def test_rates_by_group_refuse_what_needs_all_weights_at_once(tiny: str) -> None:
    network = build_tiny()
    settings = Optimizer.model_validate({"name": "adam", "global_clipnorm": 1.0})
    with pytest.raises(PipelineError, match="global_clipnorm is of all weights at once"):
        optimizers.build(settings, PHASE, RATES, 8, network, tiny)


def test_arguments_are_those_of_keras() -> None:
    settings = Optimizer.model_validate({"name": "sgd", "momentum": 0.9, "nesterov": True})
    config = optimizers.make(settings, 0.1).get_config()
    assert (config["momentum"], config["nesterov"]) == (0.9, True)
    without = PHASE.schedule.model_copy(update={"momentum": None})
    assert type(optimizers.scheduled(ADAM, without, 0.1, 8)) is keras.optimizers.Adam


@pytest.mark.parametrize(
    ("settings", "schedule", "complaint"),
    [
        ({"name": "adamm"}, Constant(), "params.yaml: optimizer adamm: "),
        ({"name": "sgd", "beta_1": 0.9}, Constant(), "params.yaml: optimizer sgd: .*beta_1"),
        ({"name": "adam", "betas": 0.9}, PHASE.schedule, "params.yaml: optimizer adam: .*betas"),
        ({"name": "sgd"}, PHASE.schedule, "momentum is for optimizer adam; here it is sgd"),
    ],
)
def test_what_keras_does_not_know_is_one_line(
    settings: dict[str, Any], schedule: Schedule, complaint: str
) -> None:
    with pytest.raises(PipelineError, match=rf"^.*{complaint}.*\Z"):
        optimizers.scheduled(Optimizer.model_validate(settings), schedule, 0.1, 8)
