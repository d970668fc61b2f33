"""Architectures side by side, as tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from digits.evaluation import metrics, statistics
from digits.evaluation.predictions import Predictions


def tabulate(
    predicted: Mapping[str, Predictions],
    epochs: Mapping[str, int],
    family: Mapping[str, str],
    labels: NDArray[np.uint8],
    rows: metrics.Rows,
    bayes_error: float,
) -> dict[str, pd.DataFrame]:
    """Compare architectures, by their names, on the same images.

    Of each there are what it predicts, how many epochs it was trained for, and its family: two of
    one family differ in their recipes alone. ``labels`` are (n,), 0 to 9; ``rows`` row numbers by
    set; ``bayes_error`` is the share of images that nobody can classify.

    The tables are ``architectures``, one row each: parameters, epochs and all that is measured;
    ``phases``, one row for each phase of a training in several: dev and test accuracy at its end;
    ``pairs``: `statistics.compare_pairs` on test.
    """
    measured = [
        {
            "architecture": name,
            "parameters": one.parameters,
            "epochs": epochs[name],
            **metrics.measure(labels, one.probabilities, rows, bayes_error),
        }
        for name, one in predicted.items()
    ]
    phases = [
        {"architecture": name, **end}
        for name, one in predicted.items()
        for end in metrics.measure_phases(labels, one.phases, rows)
    ]
    test = rows["test"]
    correct = {
        name: one.probabilities[test].argmax(axis=1) == labels[test]
        for name, one in predicted.items()
    }
    return {
        "architectures": pd.DataFrame(measured),
        "phases": pd.DataFrame(phases, columns=["architecture", "phase", "dev", "test"]),
        "pairs": statistics.compare_pairs(correct, family),
    }
