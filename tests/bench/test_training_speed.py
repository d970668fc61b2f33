import pytest

from bench import measuring, training_speed
from digits.config import Architecture
from digits.data.dataset import Dataset

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


def test_what_is_augmented_is_held_against_what_is_not_too(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {
        "ours": 190,
        "ours without augmentation": 200,
        "ours without oneDNN": 100,
        "bare (XLA)": 50,
        "bare (no XLA)": 80,
        "PyTorch": 160,
    }
    monkeypatch.setattr(training_speed, "run", lambda kind, name, options: speeds[kind])
    monkeypatch.setattr(training_speed, "_pytorch_has", lambda name: True)
    monkeypatch.setattr(measuring, "version", lambda package: "2.0")
    figures = training_speed.compare("lenet5_v2", 1, OPTIONS)
    assert [(one["what"], one["wanted"], one["ratio"]["median"]) for one in figures] == [
        ("training lenet5_v2, against bare (XLA)", ">= 0.95", 3.8),
        ("training lenet5_v2, against bare (no XLA)", ">= 0.95", 2.375),
        ("training lenet5_v2 without augmentation, against bare (XLA)", ">= 1.0", 4),
        ("training lenet5_v2 without augmentation, against bare (no XLA)", ">= 1.0", 2.5),
        ("training lenet5_v2, against ours without oneDNN", "", 1.9),
        ("training lenet5_v2 without augmentation, against PyTorch", ">= 0.9", 1.25),
    ]
    assert [one.get("note") for one in figures] == [None] * 5 + ["2.0"]
