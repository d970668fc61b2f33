"""What the chosen recipes reach, alone and together, and what the page says of them."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from digits import config
from digits.config import Architecture
from studies import study, table
from studies.accuracy import analysis
from studies.images import LABEL_ERRORS
from tests.studies.conftest import ROOT


def certain(predicted: list[int], sure: float = 0.9) -> np.ndarray:
    """Return probabilities of networks that predict so."""
    rest = (1 - sure) / 9
    return np.where(np.arange(10) == np.array(predicted)[:, None], sure, rest)


def test_single_networks_and_their_ensemble_are_measured() -> None:
    labels = np.array([1, 2, 3, 4], np.uint8)
    found = analysis.describe(
        np.stack([certain([1, 2, 3, 9]), certain([1, 2, 9, 4], 0.8), certain([1, 2, 3, 4], 0.7)]),
        labels,
        "a",
    )
    assert found["single"]["accuracies"] == [0.75, 0.75, 1.0]
    assert found["single"]["mean"] == pytest.approx(0.833333)
    assert found["ensemble"]["accuracy"] == 1.0
    assert (found["ensemble"]["networks"], found["ensemble"]["misclassified"]) == (3, 0)
    assert found["ensemble"]["low"] < 1 == found["ensemble"]["high"]


def test_the_label_errors_can_be_left_out() -> None:
    labels = np.zeros(1000, np.uint8)
    predicted = np.zeros(1000, int)
    predicted[[947, 3]] = 1  # the first is a label error
    found = analysis.describe(certain(predicted.tolist())[None], labels, "a")
    assert found["ensemble"]["misclassified"] == 2
    assert found["ensemble"]["label_errors_among_them"] == 1
    assert found["ensemble"]["without_label_errors"] == pytest.approx(1 - 1 / 999, abs=1e-6)
    assert len(set(LABEL_ERRORS)) == 15


def test_what_was_tried_is_a_mean_over_its_seeds_with_its_work() -> None:
    rows = pd.DataFrame(
        {
            "setting": ["one", "one"],
            "epochs": 4,
            "images": 50_000,
            "parameters": 10,
            "macs": 10**6,
            "dev_accuracy": [0.98, 0.99],
            "dev_loss": 0.05,
            "dev_tta_accuracy": 0.99,
            "dev_tta_loss": 0.04,
        }
    ).reindex(columns=table.COLUMNS)
    (found,) = analysis.describe_tried(rows)
    assert (found["seeds"], found["dev_accuracy"], found["work"]) == (2, 0.985, 0.6)


@pytest.mark.usefixtures("in_root")
def test_the_page_has_swift_as_an_architecture() -> None:
    page = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    shown = config.check(Architecture, yaml.safe_load(block)["swift"], "docs")
    one = study.read("accuracy")
    recipes = {name: recipe for name, _, recipe in study.recipes(one, "accuracy")}
    assert shown == recipes["swift"]
