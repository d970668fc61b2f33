"""What can be said about accuracies measured on a finite number of images."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

SMALLEST_PROBABILITY = 1e-7  # Keras clips at the same


def accuracy(correct: NDArray[np.bool_]) -> float:
    """Return the share of right answers, in [0, 1]; ``correct`` has one entry per image, (N,)."""
    return float(np.mean(correct))


def cross_entropy(label_probability: NDArray[np.floating]) -> float:
    """Return the mean of -ln p in nats, computed in float64.

    ``label_probability``, (N,), in [0, 1], is what the network gave the true label; clipped to
    [1e-7, 1 - 1e-7] as Keras does, so that no single image makes it infinite.
    """
    probability = np.asarray(label_probability, dtype=np.float64)
    clipped = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.log(clipped).mean())


def wilson_interval(correct: int, images: int) -> tuple[float, float]:
    """Return the ends of the 95 % score interval of ``correct`` right answers to ``images``.

    Both are in [0, 1]. Unlike the share plus or minus two standard deviations, the interval stays
    in there, and keeps a width when every answer is right. Wilson, E. B. (1927), Probable
    inference, the law of succession, and statistical inference, JASA 22, 209-212.
    """
    interval = binomtest(correct, images).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def difference_interval(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the accuracy on some images minus that on others.

    Which images are classified correctly, (N,) and (M,), is given of both. Newcombe, R. G. (1998),
    Interval estimation for the difference between independent proportions, Statistics in Medicine
    17, 873-890, method 10: of two Wilson intervals.
    """
    # statsmodels has it too, and takes seconds to load.
    share, other = accuracy(first), accuracy(second)
    low, high = wilson_interval(int(first.sum()), len(first))
    other_low, other_high = wilson_interval(int(second.sum()), len(second))
    below = np.hypot(share - low, other_high - other)
    above = np.hypot(high - share, other - other_low)
    return float(share - other - below), float(share - other + above)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p-value for two networks being right equally often.

    Only images that exactly one of the two gets right tell them apart: ``only_first`` and
    ``only_second``, their numbers; equally good networks would each win such an image with
    probability 1/2. McNemar, Q. (1947), Note on the sampling error of the difference between
    correlated proportions or percentages, Psychometrika 12, 153-157; advised for networks trained
    once each by Dietterich, T. G. (1998), Approximate statistical tests for comparing supervised
    classification learning algorithms, Neural Computation 10, 1895-1923.
    """
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for being several, in the order given, each in [0, 1].

    Keeps the chance of even one false difference in the whole family below the level each
    corrected value is held against. Holm, S. (1979), A simple sequentially rejective multiple
    test procedure, Scandinavian Journal of Statistics 6, 65-70.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    factors = np.arange(len(given), 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1)
    return [float(p) for p in corrected]


def compare_pairs(
    correct: Mapping[str, NDArray[np.bool_]], family: Mapping[str, str]
) -> pd.DataFrame:
    """Test every two networks against each other with `mcnemar`.

    ``correct`` says by name which of the same images a network gets right, (N,). Comparisons within
    a ``family`` are planned, those between families are not.

    For each pair there are the names ``first`` and ``second``, the number of images ``only_first``
    and ``only_second`` get right, ``planned``, the p-value ``p``, and ``p_corrected`` by `holm`,
    over the planned pairs or over the others, both to 4 digits.
    """
    rows = [
        (first, second, int(np.sum(a & ~b)), int(np.sum(b & ~a)), family[first] == family[second])
        for (first, a), (second, b) in itertools.combinations(correct.items(), 2)
    ]
    columns = ["first", "second", "only_first", "only_second", "planned"]
    pairs = pd.DataFrame(rows, columns=columns)
    pairs["p"] = [mcnemar(*counts) for counts in pairs[columns[2:4]].itertuples(index=False)]
    pairs["p_corrected"] = pairs.groupby("planned")["p"].transform(lambda p: holm(list(p)))
    for column in ("p", "p_corrected"):
        pairs[column] = [float(f"{p:.4g}") for p in pairs[column]]
    return pairs
