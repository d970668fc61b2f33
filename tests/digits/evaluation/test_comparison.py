from typing import Any

import pandas as pd
import pytest

from digits import config, tables
from digits.evaluation import comparison


def figures(name: str, dev: float, dev_loss: float) -> dict[str, Any]:
    return {
        "name": name,
        "accuracy": {"train": 0.99, "dev": dev, "test": 0.97},
        "loss": {"dev": dev_loss},
    }


def test_the_best_is_chosen_on_dev_then_by_lower_dev_loss() -> None:
    high = figures("high", 0.99, 0.3)
    low = figures("low", 0.98, 0.1)
    assert comparison.best([low, high]) == {"name": "high", "dev": 0.99, "test": 0.97}
    equal = figures("equal", 0.99, 0.2)
    assert comparison.best([high, equal])["name"] == "equal"


def test_the_difference_is_ours_minus_the_published_figure_of_the_same_set() -> None:
    published = config.Published(train=0.98, test=0.975)
    described = comparison.describe("a", figures("a", 0.99, 0.1), published)
    assert described["published"] == {"train": 0.98, "test": 0.975}
    assert described["difference"] == pytest.approx({"train": 0.01, "test": -0.005})


def test_curves_become_one_long_table() -> None:
    curves = {
        "a": pd.DataFrame([[1, 1, 9, 0.5, 0.8, 9, 0.4, 0.9, 0.001]], columns=tables.CURVES),
        "b": pd.DataFrame([[1, 1, 9, 0.3, 0.7, 9, 0.2, 0.6, 0.001]], columns=tables.CURVES),
    }
    assert comparison.join_curves(curves).to_numpy().tolist() == [
        ["a", 1, 1, "train", 0.5, 0.8],
        ["a", 1, 1, "dev", 0.4, 0.9],
        ["b", 1, 1, "train", 0.3, 0.7],
        ["b", 1, 1, "dev", 0.2, 0.6],
    ]
