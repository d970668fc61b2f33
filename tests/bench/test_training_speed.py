import importlib.metadata
import importlib.util

import pytest

from bench import training_speed

OPTIONS = ["--epochs", "1", "--images", "256"]


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
@pytest.mark.parametrize("kind", [training_speed.OURS, training_speed.NO_XLA])
def test_the_speed_is_measured_in_a_process(kind: str) -> None:
    assert training_speed.run(kind, "dense", OPTIONS) > 10


def test_ours_is_compared_with_each_other_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {
        "ours": 190,
        "ours without augmentation": 200,
        "ours without oneDNN": 100,
        "bare (XLA)": 50,
        "bare (no XLA)": 80,
        "PyTorch": 160,
    }
    monkeypatch.setattr(training_speed, "run", lambda kind, name, options: speeds[kind])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "2.0")
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
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    figures = training_speed.compare("dense", 1, OPTIONS)
    found = [one["what"] for one in figures]
    assert found == [f"training dense, against bare ({kind})" for kind in ("XLA", "no XLA")]
