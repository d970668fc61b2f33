"""Confident learning: which labels are doubtful, says whoever never saw them.

Northcutt, C. G., Jiang, L. and Chuang, I. L. (2021), Confident learning: estimating uncertainty in
dataset labels, Journal of Artificial Intelligence Research 70, 1373-1411. The authors' package,
cleanlab, is under the AGPL, which this project's MIT licence cannot take in.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix


def joint(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Count images by label (row) and by the digit they confidently are (column).

    An image confidently is a digit if that digit's probability reaches its mean over the images
    labelled so; of several such digits it is the most probable one. Others are not counted. Each
    digit is among the ``labels``, (n,), at least once; ``probabilities`` are (n, 10).
    """
    digits = confident_digit(labels, probabilities)
    counts: NDArray[np.int64] = confusion_matrix(labels, digits, labels=range(10))
    return counts


def noise(joint_counts: NDArray[np.int64], labels: NDArray[np.integer]) -> float:
    """Return the share of all images that are another digit than their label says, [0, 1].

    Each row of `joint` is scaled to the number of images with that label (the calibration of
    Northcutt et al., section 3.1): images that confidently are no digit are taken to be divided as
    the others are.
    """
    counts = np.bincount(labels, minlength=10)
    calibrated = joint_counts / joint_counts.sum(axis=1, keepdims=True) * counts[:, np.newaxis]
    return float(1 - calibrated.trace() / len(labels))


def confident_digit(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return which digit each image confidently is, (n,); -1 for none."""
    thresholds = np.array([probabilities[labels == digit, digit].mean() for digit in range(10)])
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def doubtful(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> pd.DataFrame:
    """Return the images that confidently are another digit than their label says.

    Columns: id, label, suggested, label_probability, suggested_probability; the least likely label
    comes first.
    """
    meant = confident_digit(labels, probabilities)
    ids = np.flatnonzero((meant >= 0) & (meant != labels))
    table = pd.DataFrame(
        {
            "id": ids,
            "label": labels[ids].astype(np.int64),
            "suggested": meant[ids],
            "label_probability": probabilities[ids, labels[ids]],
            "suggested_probability": probabilities[ids, meant[ids]],
        }
    )
    order = ["label_probability", "suggested_probability", "id"]
    return table.sort_values(order, ascending=[True, False, True]).reset_index(drop=True)
