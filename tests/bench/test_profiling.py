from multiprocessing import get_context

import keras
import pytest

from bench import profiling
from digits import config
from digits.training import fit, optimizers


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_step_is_sorted_into_kinds_of_work() -> None:
    with get_context("spawn").Pool(1) as pool:  # determinism would stay on in this process
        figure = pool.apply(profiling.step, ("lenet5_v2", 256))
    parts = figure["parts"]
    assert set(parts) == {*profiling.PARTS, profiling.PREPARING, profiling.REST, profiling.IDLE}
    assert sum(parts.values()) == pytest.approx(1, abs=0.01)
    assert max(parts, key=lambda part: parts[part]) == "convolutions backward"
    assert figure["profile"] == "lenet5_v2, a step"


@pytest.mark.parametrize("name", ["dense", "convnet_dropout", "lenet5", "resnet34"])
def test_a_step_of_every_optimizer_is_found(name: str) -> None:
    recipe = config.architecture(config.load(), name)
    phase = fit.phases_of(recipe)["all"]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for _ in range(2):  # Keras numbers the second of a process
        optimizer = optimizers.build(recipe.optimizer, phase, 0.001, 10, model, name)
        assert profiling._part(f"StatefulPartitionedCall/{optimizer.name}/mul:Mul") == "optimizer"


def test_what_overlaps_counts_once() -> None:
    assert profiling.covered([(5, 9), (0, 2), (1, 3), (6, 7)]) == 3 + 4


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_stage_is_sorted_into_modules() -> None:
    figure = profiling.stage("standardize", "dense")
    assert "importlib" in figure["parts"]  # of so few images, starting takes most
    assert not [part for part in figure["parts"] if "<" in part or "/" in part]
    assert sum(figure["parts"].values()) == pytest.approx(1, abs=0.01)
