"""The statistics against published values and independent calculation."""

import math

import numpy as np
import pytest

from digits.evaluation import statistics


def test_the_extremes_are_finite() -> None:
    assert statistics.mcnemar(0, 0) == 1  # networks that differ on no image
    assert statistics.cross_entropy(np.array([0.0])) == pytest.approx(-math.log(1e-7))  # as Keras


def test_wilson_interval_is_the_published_one_and_keeps_a_width() -> None:
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I."""
    assert statistics.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    narrowest = 22000 / (22000 + 1.959964**2), 1
    assert statistics.wilson_interval(22000, 22000) == pytest.approx(narrowest)


def test_holm_multiplies_step_by_step_and_keeps_the_order() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.7, 0.001]) == pytest.approx([1, 1, 0.003])


def test_the_interval_of_a_difference_is_that_of_newcombe() -> None:
    """Table II of Newcombe (1998), method 10: 56 of 70 against 48 of 80."""
    first, second = np.arange(70) < 56, np.arange(80) < 48
    found = statistics.difference_interval(first, second)
    assert found == pytest.approx((0.0524, 0.3339), abs=5e-5)
