"""Figures of 40 images counted by hand: the prediction has 0.9, the other digits 1/90 each."""

import math

import numpy as np
import pytest

from digits.evaluation import metrics

LABELS = (np.arange(40) % 10).astype(np.uint8)
WRONG = [3, 18, 20, 21, 30, 31, 32, 33]
ROWS = {
    "train": np.arange(20),
    "dev": np.arange(20, 28),
    "test_as_published": np.r_[16:20, 28:40],
    "test": np.arange(28, 40),
}


def probabilities(wrong: list[int]) -> np.ndarray:
    """Return the probabilities, (40, 10), of a network that takes ``wrong`` for the next digit."""
    predicted = LABELS + np.isin(np.arange(40), wrong)
    return np.where(predicted[:, None] % 10 == np.arange(10), 0.9, 1 / 90).astype(np.float32)


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
