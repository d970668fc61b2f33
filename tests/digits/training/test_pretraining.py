from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.training import fit, layer_groups
from digits.training import train as training
from digits.training.pretraining import make_backbone
from digits.training.train import train
from tests.digits.training.conftest import PHASES, recipe

RANGE = {"batches": 20, "lowest": 1e-4}
LETTERS = {**PHASES, "pretrained": "letters", "letters": {"images": 200}, "range_test": RANGE}


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process would not know the network `tiny`; tests/stages/ trains in processes."""
    monkeypatch.setattr(training, "_apart", lambda function, *arguments: function(*arguments))


def test_a_backbone_learns_letters_before_digits(data: Dataset, tmp_path: Path, tiny: str) -> None:
    curves: list[pd.DataFrame] = []
    trained = train("mine", recipe(**LETTERS), data, 1, 1, tmp_path, curves.append)
    letters = pd.read_csv(tmp_path / "letters.csv")
    assert letters["epoch"].tolist() == [1, 2, 3]
    assert letters["loss"].iloc[-1] < letters["loss"].iloc[0]
    with Image.open(tmp_path / "letters.png") as picture:
        assert picture.size == (26 * 56, 4 * 56)
    assert trained.rates is not None
    lowest = trained.rates["learning_rate"][trained.rates["smoothed_loss"].argmin()]
    assert trained.learning_rate == pytest.approx(lowest / 10, rel=0.05)
    start = fit.build("mine", recipe(**LETTERS), data, 1, 1)
    fresh = np.array(start.get_layer("stem_conv").kernel)
    layer_groups.load_backbone(start, tiny, tmp_path / "backbone.weights.h5")
    learned = np.array(start.get_layer("stem_conv").kernel)
    assert not np.array_equal(fresh, learned)
    first = keras.models.load_model(trained.ends[0])  # of the head alone, on that backbone
    np.testing.assert_array_equal(first.get_layer("stem_conv").kernel, learned)
    assert curves[-1]["phase"].tolist() == [1, 1, 2, 2, 2]
    assert trained.parameters == first.count_params()


def test_a_backbone_comes_from_a_weights_file(data: Dataset, tmp_path: Path, tiny: str) -> None:
    path = tmp_path / "mine.weights.h5"
    path.touch()
    settings = recipe(**{**PHASES, "pretrained": str(path)})
    assert make_backbone("mine", settings, data, 1, 1, tmp_path) == path


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"pretrained": "none.weights.h5"},
            r"none\.weights\.h5 is missing; params\.yaml has it as architectures\.mine\.pret",
        ),
        ({"pretrained": "imagenet", "imagenet": {"url": "https://127.0.0.1:1/a"}}, "cannot be had"),
        ({"optimizer": {"name": "sgd"}}, "schedule.momentum is for optimizer adam; here it is sgd"),
    ],
)
def test_what_cannot_be_ends_before_any_training(
    data: Dataset, tmp_path: Path, tiny: str, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(PipelineError, match=complaint):
        train("mine", recipe(**LETTERS | changes), data, 1, 1, tmp_path)
    assert not list(tmp_path.rglob("*.npz"))
