"""The statistics against published values and independent calculation."""

import math

import numpy as np
import pytest

from digits.evaluation import statistics


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert statistics.accuracy(np.array([True, True, False, True])) == 0.75


def test_cross_entropy_is_the_mean_negative_logarithm_and_never_infinite() -> None:
    probability = np.array([1 / math.e, 1 / math.e**3], dtype=np.float32)
    assert statistics.cross_entropy(probability) == pytest.approx(2)
    assert statistics.cross_entropy(np.array([0.0])) == pytest.approx(-math.log(1e-7))  # as Keras


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    [
        # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (22000, 22000, 22000 / (22000 + 1.959964**2), 1),  # the formula: it keeps a width
    ],
)
def test_wilson_interval_is_the_published_one(
    correct: int, images: int, low: float, high: float
) -> None:
    assert statistics.wilson_interval(correct, images) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 0), (0, 1), (3, 9), (9, 3), (7, 7), (30, 61)]
)
def test_mcnemar_counts_the_outcomes_at_least_as_lopsided(
    only_first: int, only_second: int
) -> None:
    total = only_first + only_second
    ways = sum(
        math.comb(total, k)
        for k in range(total + 1)
        if abs(2 * k - total) >= abs(only_first - only_second)
    )
    assert statistics.mcnemar(only_first, only_second) == pytest.approx(ways / 2**total)


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.6, 0.7, 0.001], [1, 1, 0.003]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_multiplies_step_by_step_and_keeps_the_order(
    given: list[float], corrected: list[float]
) -> None:
    assert statistics.holm(given) == pytest.approx(corrected)


def test_pairs_are_all_compared_with_counts_and_corrected_p_values() -> None:
    right = np.ones(20, dtype=bool)
    half = np.arange(20) < 10
    pairs = statistics.compare_pairs(
        {"a": right, "b": half, "c": ~half}, {"a": "one", "b": "one", "c": "other"}
    )
    assert pairs.to_numpy().tolist() == [
        ["a", "b", 10, 0, True, 0.001953, 0.001953],
        ["a", "c", 10, 0, False, 0.001953, 0.003906],
        ["b", "c", 10, 10, False, 1, 1],
    ]


def test_the_interval_of_a_difference_is_that_of_newcombe() -> None:
    """Table II of Newcombe (1998), method 10: 56 of 70 against 48 of 80."""
    first, second = np.arange(70) < 56, np.arange(80) < 48
    low, high = statistics.difference_interval(first, second)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
