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


def refusal(settings: dict[str, Any], data: Dataset, folder: Path) -> str:
    """Return what a training is refused with; nothing may have been learned."""
    with pytest.raises(PipelineError) as caught:
        train("mine", recipe(**settings), data, 1, 1, folder)
    assert not list(folder.rglob("*.npz"))
    return str(caught.value)


def test_a_backbone_learns_letters_before_the_digits(
    data: Dataset, tmp_path: Path, tiny: str
) -> None:
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


def test_what_cannot_be_ends_before_any_training(data: Dataset, tmp_path: Path, tiny: str) -> None:
    missing = {**LETTERS, "pretrained": "none.weights.h5"}
    assert "none.weights.h5 is missing; params.yaml has it as architectures.mine.pret" in (
        refusal(missing, data, tmp_path)
    )
    imagenet = {"url": "https://127.0.0.1:1/model.safetensors"}
    assert "cannot be had" in refusal(
        {**LETTERS, "pretrained": "imagenet", "imagenet": imagenet}, data, tmp_path
    )
    assert "schedule.momentum is for optimizer adam; here it is sgd" in refusal(
        {**LETTERS, "optimizer": {"name": "sgd"}}, data, tmp_path
    )
