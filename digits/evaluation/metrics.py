"""What networks get right and wrong, from their probabilities, alone and side by side."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.evaluation import statistics
from digits.evaluation.predictions import Predictions, phase_rows

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


def tabulate(
    predicted: Mapping[str, Predictions],
    epochs: Mapping[str, int],
    family: Mapping[str, str],
    labels: NDArray[np.uint8],
    rows: Rows,
    bayes_error: float,
) -> dict[str, pd.DataFrame]:
    """Compare architectures, by their names, on the same images.

    Of each there are what it predicts, how many epochs it was trained for, and its family: two of
    one family differ in their recipes alone. ``labels``, ``rows`` and ``bayes_error`` are as for
    `measure`.

    The tables are ``architectures``, one row each: parameters, epochs and all that is measured;
    ``phases``, one row for each phase of a training in several: dev and test accuracy at its end;
    ``pairs``: `statistics.compare_pairs` on test.
    """
    measured, phases, correct = [], [], {}
    ends, test = phase_rows(rows), rows["test"]
    of = {kind: np.isin(ends, rows[kind]) for kind in ("dev", "test")}
    for name, one in predicted.items():
        known = {"architecture": name, "parameters": one.parameters, "epochs": epochs[name]}
        measured.append(known | measure(labels, one.probabilities, rows, bayes_error))
        correct[name] = one.probabilities[test].argmax(axis=1) == labels[test]
        for number, right in enumerate(one.phases.argmax(axis=2) == labels[ends], 1):
            found = {kind: round(statistics.accuracy(right[own]), 6) for kind, own in of.items()}
            phases.append({"architecture": name, "phase": number} | found)
    return {
        "architectures": pd.DataFrame(measured),
        "phases": pd.DataFrame(phases, columns=["architecture", "phase", "dev", "test"]),
        "pairs": statistics.compare_pairs(correct, family),
    }


def worst_errors(
    labels: NDArray[np.uint8], probabilities: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """Return the rows of the ``count`` most confident errors, the worst first, at most (count,)."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[wrong].max(axis=1), kind="stable")
    return wrong[order[:count]]
