from multiprocessing import get_context

import pytest

from bench import profiling


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_step_is_sorted_into_kinds_of_work() -> None:
    with get_context("spawn").Pool(1) as pool:  # determinism would stay on in this process
        figure = pool.apply(profiling.step, ("lenet5_v2",))
    parts = figure["parts"]
    assert set(parts) == {*profiling.PARTS, profiling.PREPARING, profiling.REST}
    assert sum(parts.values()) == pytest.approx(1, abs=0.01)
    assert max(parts, key=lambda part: parts[part]) == "convolutions backward"
    assert figure["profile"] == "lenet5_v2, a step"


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_stage_is_sorted_into_modules() -> None:
    figure = profiling.stage("standardize", "dense")
    assert "importlib" in figure["parts"]  # of so few images, starting takes most
    assert not [part for part in figure["parts"] if "<" in part or "/" in part]
    assert 0.3 < sum(figure["parts"].values()) <= 1
