"""Figures of 40 images, and tables of 60, counted by hand."""

import math

import numpy as np
import pytest

from digits.evaluation import metrics
from digits.evaluation.predictions import Predictions

LABELS = (np.arange(40) % 10).astype(np.uint8)
WRONG = [3, 18, 20, 21, 30, 31, 32, 33]
ROWS = {
    "train": np.arange(20),
    "dev": np.arange(20, 28),
    "test_as_published": np.r_[16:20, 28:40],
    "test": np.arange(28, 40),
}

COMPARED = (np.arange(60) % 10).astype(np.uint8)
SETS = {"train": np.arange(25), "dev": np.arange(25, 30), "test": np.arange(30, 60)}
FAMILY = {"a": "one", "b": "other", "c": "other"}


def probabilities(wrong: list[int]) -> np.ndarray:
    """Return (40, 10): 0.9 for the label, or for the next digit where ``wrong``, and 1/90."""
    predicted = LABELS + np.isin(np.arange(40), wrong)
    return np.where(predicted[:, None] % 10 == np.arange(10), 0.9, 1 / 90).astype(np.float32)


def predict(wrong: list[int], *earlier: list[int]) -> Predictions:
    """Return predictions that are ``wrong`` for these images, and ``earlier`` ones of phases."""
    every = [
        np.eye(10, dtype=np.float32)[(COMPARED + np.isin(np.arange(60), one)) % 10]
        for one in (wrong, *earlier)
    ]
    return Predictions(every[0], 1000, np.array(every[1:]).reshape(-1, 60, 10)[:, 25:], [])


def test_figures_are_those_counted_by_hand() -> None:
    def loss(right: int, wrong: int) -> float:
        return (right * -math.log(0.9) + wrong * math.log(90)) / (right + wrong)

    measured = metrics.measure(LABELS, probabilities(WRONG), ROWS, bayes_error=0.0025)
    expected = {
        **{"train": 0.9, "dev": 0.75, "test": 0.666667, "test_as_published": 0.6875},
        **{"train_loss": loss(18, 2), "dev_loss": loss(6, 2), "test_loss": loss(8, 4)},
        "test_as_published_loss": loss(11, 5),
        **{"test_low": 0.390622, "test_high": 0.86188, "test_gap": 0.083333},
        **{"bias": 0.0975, "bias_low": 0.027866 - 0.0025, "bias_high": 0.301034 - 0.0025},
        **{"variance": 0.15, "variance_low": -0.118857, "variance_high": 0.498276},
        "test_variance": 0.233333,
        **{"test_variance_low": -0.046886, "test_variance_high": 0.518647},
    }
    assert measured == pytest.approx(expected, abs=2e-6)
    assert all(value == round(value, 6) for value in measured.values())


def test_worst_errors_are_the_most_confident_ones_first() -> None:
    labels = np.ones(5, np.uint8)
    rows = np.zeros((5, 10), np.float32)
    rows[range(5), [1, 2, 3, 4, 5]] = [0.99, 0.5, 0.9, 0.7, 0.9]
    assert metrics.worst_errors(labels, rows, 3).tolist() == [2, 4, 3]
    assert metrics.worst_errors(labels, rows, 9).tolist() == [2, 4, 3, 1]


def test_architectures_phases_and_pairs_are_tables_in_the_order_given() -> None:
    predicted = {
        "b": predict([30, 31]),
        "a": predict(list(range(30, 50))),
        "c": predict([31, 50], [25, *range(30, 45)], [31, 50]),
    }
    tables = metrics.tabulate(predicted, {"a": 2, "b": 3, "c": 4}, FAMILY, COMPARED, SETS, 0.0005)
    architectures = tables["architectures"].set_index("architecture")
    assert list(architectures.index) == ["b", "a", "c"]
    assert list(architectures.columns[:5]) == ["parameters", "epochs", "train", "dev", "test"]
    assert architectures["epochs"].tolist() == [3, 2, 4]
    assert architectures["test"].tolist() == [0.933333, 0.333333, 0.933333]
    assert architectures["bias"].tolist() == [-0.0005] * 3
    assert tables["phases"].to_numpy().tolist() == [["c", 1, 0.8, 0.5], ["c", 2, 1, 0.933333]]
    assert tables["pairs"].to_numpy().tolist() == [
        # 18 of 18 to one side: 2 / 2**18; 1 to 1: no difference; 19 to 1: 2 * 21 / 2**20.
        ["b", "a", 18, 0, False, 7.629e-06, 1.526e-05],
        ["b", "c", 1, 1, True, 1, 1],
        ["a", "c", 1, 19, False, 4.005e-05, 4.005e-05],
    ]


def test_one_architecture_in_one_phase_has_empty_tables_with_their_columns() -> None:
    tables = metrics.tabulate({"a": predict([])}, {"a": 1}, FAMILY, COMPARED, SETS, 0)
    assert tables["phases"].empty
    assert list(tables["phases"]) == ["architecture", "phase", "dev", "test"]
    assert tables["pairs"].empty
    assert list(tables["pairs"])[-1] == "p_corrected"
