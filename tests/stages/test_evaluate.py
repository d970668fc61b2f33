"""Evaluation of a network whose every answer is known.

Image i has label i % 10, and one bright pixel in its first row, whose column the network reads as
the digit, with probability 0.9; the nine other digits get 1/90 each.
"""

import json
import math
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import yaml
from PIL import Image

from digits import tables
from digits.data.dataset import Dataset
from digits.evaluation import metrics
from stages import evaluate
from tests.stages.running import ROOT, run

# Keras' own, when it saves a model.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LABELS = np.arange(40) % 10
WRONG = [3, 18, 20, 21, 30, 31, 32, 33]
SETS = {"train": range(20), "dev": range(20, 28), "test": [*range(16, 20), *range(28, 40)]}


def network(inputs: tuple[int, ...] = (28, 28, 1), outputs: int = 10) -> keras.Model:
    """Return a network that takes the first pixels for logits."""
    model = keras.Sequential(
        [
            keras.Input(inputs),
            keras.layers.Flatten(),
            keras.layers.Dense(outputs, activation="softmax"),
        ]
    )
    kernel = np.zeros(model.layers[-1].kernel.shape)
    kernel[:outputs] = np.eye(outputs)
    model.layers[-1].set_weights([kernel, np.zeros(outputs)])
    return model


def images() -> npt.NDArray[np.float32]:
    read = LABELS.copy()
    read[WRONG] = (read[WRONG] + 1) % 10
    pixels = np.zeros((40, 28, 28), np.float32)
    pixels[np.arange(40), 0, read] = math.log(81)
    return pixels


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all that the stage reads."""
    folder = tmp_path_factory.mktemp("evaluate")
    for name in ("data/standardized", "models/dense", "plots/train"):
        (folder / name).mkdir(parents=True)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    settings["evaluate"] = {"bayes_error": 0.0025, "errors_shown": 3}
    (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    np.save(folder / "data/standardized/images.npy", images())
    (folder / "data/standardized/statistics.json").write_text('{"mean": 33, "deviation": 78}')
    flags = {name: np.isin(np.arange(40), list(ids)).astype(int) for name, ids in SETS.items()}
    split = pd.DataFrame({"id": np.arange(40), "label": LABELS, **flags})
    split.to_csv(folder / "data/split.csv", index=False)
    network().save(folder / "models/dense/model.keras")
    (folder / "plots/train/dense.csv").write_text(
        ",".join(tables.CURVES) + "\n1,1,0.6,0.5,0.8,0.7,0.6,0.7,0.001\n"
        "2,1,0.5,0.4,0.9,0.6,0.5,0.75,0.001\n"
    )
    return folder


def test_stage_writes_the_figures_counted_by_hand(workspace: Path) -> None:
    first = run(workspace, "evaluate", "dense")
    assert first.returncode == 0, first.stderr
    assert first.stdout == (
        "dense: train 90.00%, dev 75.00%, test 66.67% (95 % interval 39.06% to 86.19%), "
        "bias +9.75%, variance +15.00%\n"
    )

    def loss(right: int, wrong: int) -> float:
        return round((right * -math.log(0.9) + wrong * math.log(90)) / (right + wrong), 6)

    metrics = json.loads((workspace / "metrics/dense.json").read_text())
    assert metrics.pop("loss") == pytest.approx(
        {
            "train": loss(18, 2),
            "dev": loss(6, 2),
            "test": loss(8, 4),
            "test_as_published": loss(11, 5),
        },
        abs=2e-6,
    )
    assert metrics == {
        "accuracy": {"train": 0.9, "dev": 0.75, "test": 0.666667, "test_as_published": 0.6875},
        "test_interval": {"low": 0.390622, "high": 0.86188},
        "bias": 0.0975,
        "variance": 0.15,
        "test_gap": 0.083333,
        "parameters": 7850,
        "epochs": 2,
    }

    table = pd.read_csv(workspace / "data/predictions/dense.csv")
    assert list(table.columns) == ["id", "label", "predicted", "probability", "label_probability"]
    assert table["id"].tolist() == list(range(40))
    assert table["label"].tolist() == LABELS.tolist()
    assert table.index[table["predicted"] != table["label"]].tolist() == WRONG
    assert table["probability"].to_numpy() == pytest.approx(0.9, abs=1e-6)
    assert table["label_probability"][WRONG].to_numpy() == pytest.approx(1 / 90, abs=1e-6)

    for name in ("confusion.png", "errors.png"):
        with Image.open(workspace / "plots/evaluate/dense" / name) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 200

    written = {
        path: path.read_bytes()
        for folder in ("metrics", "data/predictions", "plots/evaluate/dense")
        for path in (workspace / folder).iterdir()
    }
    assert run(workspace, "evaluate", "dense").returncode == 0
    assert {path: path.read_bytes() for path in written} == written


def test_worst_errors_are_the_most_confident_ones_first() -> None:
    table = pd.DataFrame(
        {
            "id": range(5),
            "label": [1, 1, 1, 1, 1],
            "predicted": [1, 2, 3, 4, 5],
            "probability": [0.99, 0.5, 0.9, 0.7, 0.9],
        }
    )
    assert metrics.worst_errors(table, 3)["id"].tolist() == [2, 4, 3]
    assert metrics.worst_errors(table, 9)["id"].tolist() == [2, 4, 3, 1]


def test_errors_are_drawn_in_their_grey_levels_with_both_digits() -> None:
    pixels = np.stack([np.full((28, 28), value, np.float32) for value in (-1, 0, 2)])
    data = Dataset(pixels, np.array([7, 7, 7], np.uint8), 50.0, 25.0, {})
    errors = pd.DataFrame({"id": [2, 0], "label": 7, "predicted": 1, "probability": [0.999, 0.5]})
    panels = [axes for axes in evaluate.draw_errors(data, errors).axes if axes.images]
    shown = [np.asarray(axes.images[0].get_array()) for axes in panels]
    assert [(float(one.min()), float(one.max())) for one in shown] == [(100, 100), (25, 25)]
    assert [axes.get_title() for axes in panels] == [
        "is 7, read as 1\n99.90% sure",
        "is 7, read as 1\n50.00% sure",
    ]
