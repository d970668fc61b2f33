import importlib.util
from pathlib import Path

import numpy as np
import pytest

from bench import measuring, training
from digits.config import Augment, OneCycle
from digits.data.dataset import Images
from tests.workspace import write_data, write_params


@pytest.fixture
def standardized(
    tmp_path: Path, noisy: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work in a folder with what standardize wrote."""
    sets = {"train": range(300), "dev": range(300, 340), "test": range(340, 400)}
    write_data(tmp_path, *noisy, sets)
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("standardized")
def test_a_short_training_is_of_few_images_in_one_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "IMAGES", 100)
    _, recipe, data = training.short_training("resnet34")
    ((name, phase),) = (recipe.phases or {}).items()
    assert (name, phase.learning_rate) == ("all", training.RATE)
    assert isinstance(phase.schedule, OneCycle)
    assert recipe.augment == Augment()
    assert len(data.rows["train"]) == 100


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_the_speed_is_measured_in_a_process_and_here(monkeypatch: pytest.MonkeyPatch) -> None:
    images_a_second, seconds = training.apart("dense", training.BARE)
    assert images_a_second > 10
    assert seconds > training.LEARNING
    monkeypatch.setattr(training, "LEARNING", 0)
    write_params(Path(), {"threads": 1})
    assert training.speed(training.OURS, "dense") > 10


def test_ours_is_compared_with_each_other_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {"ours": 200, "a bare Keras fit": 80, "PyTorch": 160}
    monkeypatch.setattr(training, "apart", lambda name, kind: (speeds[kind], 20))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    found = training.compare("lenet5_v2")
    assert [(one["what"], one["wanted"], one["ratio"]) for one in found] == [
        ("training lenet5_v2, against a bare Keras fit", ">= 1.0", "2.5"),
        ("training lenet5_v2, against PyTorch", ">= 1.0", "1.25"),
    ]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert len(training.compare("dense")) == 1


def test_every_swift_is_compared_with_the_article(monkeypatch: pytest.MonkeyPatch) -> None:
    results = {"lenet5_v2": (99.6, 100.0), "swift": (99.5, 10.0)}
    monkeypatch.setattr(training, "apart", lambda name, seed: results[name])
    seconds, swift, article = training.time_to_accuracy()
    assert (seconds["ours"], seconds["other"], seconds["ratio"]) == ("10", "100", "0.1")
    assert (swift["ours"], article["ours"]) == ("99.5", "99.6")


@pytest.mark.slow
def test_a_recipe_learns_training_and_predicts_test(
    optdigits: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.images.read_images", lambda dataset: optdigits)
    monkeypatch.chdir(measuring.ROOT)
    assert training.learn("swift", 1, threads=1) > 30  # a guess is right in a tenth
