from typing import Any

import keras
import numpy as np
import pytest

from digits import config, networks
from digits.config import Momentum, OneCycle, Phase, Spread
from digits.training import layer_groups, optimizers

CYCLE = OneCycle(
    name="one_cycle",
    warmup=0.25,
    start_divisor=10,
    end_divisor=100,
    momentum=Momentum(highest=0.95, lowest=0.85),
)
GRADIENTS = [3.0, -1.0, 2.0, 0.5, -4.0, 1.0, 1.0, 2.0]


def phase(**changes: Any) -> Phase:
    values = {"epochs": 1, "schedule": CYCLE, "learning_rate": 0.1, "trainable": "all"}
    return Phase(**{**values, **changes})


def model(network: str) -> keras.Model:
    settings = config.load().architectures["resnet34"]
    settings = settings.model_copy(update={"network": network})
    return networks.build("mine", settings, 33.0, 78.0)


def one_variable() -> keras.Model:
    inputs = keras.Input((1,))
    return keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))


def test_rate_and_momentum_cycle_against_each_other() -> None:
    """Adam computed by hand, with the rate and the momentum of each of eight steps."""
    network = one_variable()
    variable = network.trainable_variables[0]
    variable.assign([[1.0]])
    optimizer = optimizers.build("adam", phase(), 0.1, len(GRADIENTS), network, "dense")
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


def test_without_momentum_it_is_kerass_own_adam() -> None:
    schedule = CYCLE.model_copy(update={"momentum": None})
    network = one_variable()
    optimizer = optimizers.build("adam", phase(schedule=schedule), 0.1, 8, network, "dense")
    assert type(optimizer) is keras.optimizers.Adam


def test_a_spread_gives_each_group_a_cycle_of_its_own(tiny: str) -> None:
    network = model(tiny)
    spread = Spread(**{"from": 1e-4, "to": 1e-2})
    optimizer = optimizers.build("adam", phase(learning_rate=spread), spread, 8, network, tiny)
    before = {v.path: np.array(v) for v in network.trainable_variables}
    optimizer.apply([keras.ops.ones(v.shape) for v in network.trainable_variables])
    assert optimizers.rate_now(optimizer) == pytest.approx(0.0055)  # the head's, after one step
    for layer in network.layers:
        step = {"stem": 1e-5, "middle": 1e-4, "head": 1e-3}[layer_groups.of_layer(layer, tiny)]
        for variable in layer.trainable_variables:  # Adam's first step is the rate itself
            np.testing.assert_allclose(before[variable.path] - variable, step, rtol=0.02)


def test_a_frozen_kernel_gets_no_step(tiny: str) -> None:
    network = model(tiny)
    layer_groups.set_trainable(network, tiny, phase(trainable="head"))
    optimizer = optimizers.build("adam", phase(), 0.1, 8, network, tiny)
    names = {v.path for v in network.trainable_variables}
    assert "stem_conv/kernel" not in names
    assert {"stem_norm/gamma", "probabilities/kernel"} <= names
    assert len(optimizer.variables) == 1 + 2 * len(names)  # steps, means, squares
