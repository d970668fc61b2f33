"""What a network gets right and wrong, from its probabilities."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from digits.evaluation import statistics
from digits.evaluation.predictions import phase_rows

Rows = Mapping[str, NDArray[np.int64]]


def measure(
    labels: NDArray[np.uint8], probabilities: NDArray[np.float32], rows: Rows, bayes_error: float
) -> dict[str, float]:
    """Return accuracies, losses, the interval of the test accuracy, and the gaps, to six decimals.

    ``labels`` are (n,), 0 to 9, ``probabilities`` (n, 10); ``rows`` are row numbers by set, train,
    dev and test among them; ``bayes_error`` is the share of images that nobody can classify.

    There are, of every set SET, its accuracy as SET, in [0, 1], and its cross-entropy as SET_loss,
    in nats; bias, the train error minus the Bayes error; variance, train minus dev accuracy;
    test_variance, train minus test accuracy; test_gap, dev minus test accuracy. The ends of the 95
    % intervals of test, bias, variance and test_variance are called so with _low and _high.
    """
    correct = probabilities.argmax(axis=1) == labels
    certainty = probabilities[np.arange(len(labels)), labels]
    train, dev, test = (correct[rows[name]] for name in ("train", "dev", "test"))
    errors = statistics.wilson_interval(int((~train).sum()), len(train))
    intervals = {
        "test": statistics.wilson_interval(int(test.sum()), len(test)),
        "bias": tuple(end - bayes_error for end in errors),
        "variance": statistics.difference_interval(train, dev),
        "test_variance": statistics.difference_interval(train, test),
    }
    accuracy = {name: round(statistics.accuracy(correct[ids]), 6) for name, ids in rows.items()}
    others = {
        **{f"{name}_loss": statistics.cross_entropy(certainty[ids]) for name, ids in rows.items()},
        **{f"{name}_low": low for name, (low, _) in intervals.items()},
        **{f"{name}_high": high for name, (_, high) in intervals.items()},
        "bias": 1 - accuracy["train"] - bayes_error,
        "variance": accuracy["train"] - accuracy["dev"],
        "test_variance": accuracy["train"] - accuracy["test"],
        "test_gap": accuracy["dev"] - accuracy["test"],
    }
    return accuracy | {name: round(value, 6) for name, value in others.items()}


def measure_phases(
    labels: NDArray[np.uint8], phases: NDArray[np.float32], rows: Rows
) -> list[dict[str, float]]:
    """Return phase (from 1), dev and test accuracy at the end of each, to six decimals.

    ``phases`` are (p, m, 10), as in `digits.evaluation.predictions.Predictions`.
    """
    measured = phase_rows(rows)
    correct = phases.argmax(axis=2) == labels[measured]
    of = {name: np.isin(measured, rows[name]) for name in ("dev", "test")}
    return [
        {"phase": number}
        | {name: round(statistics.accuracy(right[chosen]), 6) for name, chosen in of.items()}
        for number, right in enumerate(correct, 1)
    ]


def worst_errors(
    labels: NDArray[np.uint8], probabilities: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """Return the rows of the ``count`` most confident errors, the worst first, at most (count,)."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order[:count]]
