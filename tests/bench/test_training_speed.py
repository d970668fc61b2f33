import pytest

from bench import training_speed
from digits.dataset import Dataset
from digits.params import Architecture

OPTIONS = ["--epochs", "1", "--images", "256"]


@pytest.mark.usefixtures("standardized")
def test_speed_is_that_of_the_median_epoch_without_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = [7.0, 9.0, 19.0, 23.0]  # of a first epoch, and of three that took 2, 10 and 4 seconds

    def train(name: str, settings: Architecture, data: Dataset, *_: int) -> list[float]:
        assert settings.plan[0].epochs == len(ends)
        assert len(data.rows["train"]) == 256
        return ends

    monkeypatch.setitem(training_speed.KINDS, training_speed.OURS, train)
    assert training_speed.measure(training_speed.OURS, "dense", 3, 256) == 256 / 4


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_ours_is_held_against_a_bare_fit_with_and_without_xla(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_speed, "_pytorch_has", lambda name: False)  # installed or not
    figures = training_speed.compare("dense", 1, OPTIONS)
    assert [(figure["what"], figure["wanted"]) for figure in figures] == [
        ("training dense, against bare (XLA)", ">= 1.0"),
        ("training dense, against bare (no XLA)", ">= 1.0"),
    ]
    for figure in figures:
        ratio = figure["ours"]["median"] / figure["other"]["median"]
        assert figure["ratio"]["median"] == pytest.approx(ratio, rel=0.01)
