"""Find doubtful labels among all images, and estimate the error that nobody can avoid.

Confident learning: Northcutt, C. G., Jiang, L. and Chuang, I. L. (2021), Confident learning:
estimating uncertainty in dataset labels, Journal of Artificial Intelligence Research 70, 1373-1411.
The authors' package, cleanlab, is under the AGPL, which this project's MIT licence cannot take in.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold

from digits.data.dataset import Images
from digits.errors import PipelineError
from digits.evaluation import figures
from studies import analysis
from studies.analysis import Findings, estimate, percent
from studies.images import LABEL_ERRORS, read_images
from studies.study import Study


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Compare every label with the networks that were not trained on its image."""
    images = read_images(study.dataset, table)
    probabilities = held_out(study, table, folder, images.labels)
    doubtful = find_doubtful(images.labels, probabilities)
    summary = describe(images, probabilities, doubtful)
    rows = doubtful.round(6).to_csv(index=False, lineterminator="\n").rstrip()
    texts = {"tables.md": markdown(summary), "doubtful.csv": rows}
    return Findings(summary, texts, {"sheet.png": draw(images, doubtful.head(study.shown))})


def held_out(
    study: Study, table: pd.DataFrame, folder: Path, labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the probabilities, (n, 10), by networks that never saw an image; mean of seeds."""
    total, count = np.zeros((len(labels), 10)), np.zeros((len(labels), 1))
    for setting, fold, seed in zip(table["setting"], table["fold"], table["seed"], strict=True):
        parts = StratifiedKFold(study.folds or 2, shuffle=True, random_state=seed)
        test = list(parts.split(labels, labels))[int(fold)][1]
        path = folder / f"runs/{setting}-all-fold{fold:.0f}-{seed}.npz"
        total[test] += analysis.probabilities(path, "test", len(test))
        count[test] += 1
    if missing := int((count == 0).sum()):
        raise PipelineError(f"{missing:,} images are in no finished fold; more runs are needed")
    return total / count


def find_doubtful(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> pd.DataFrame:
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


def confident_digit(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return which digit each image confidently is, (n,); -1 for none.

    An image confidently is a digit if that digit's probability reaches its mean over the images
    labelled so; of several such digits it is the most probable one. Each digit is among the
    ``labels``, (n,), at least once; ``probabilities`` are (n, 10).
    """
    thresholds = np.array([probabilities[labels == digit, digit].mean() for digit in range(10)])
    reached = np.where(probabilities >= thresholds, probabilities, -1)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def describe(
    images: Images, probabilities: NDArray[np.float64], doubtful: pd.DataFrame
) -> dict[str, Any]:
    """Return the shares that bracket the Bayes error, and the counts by label and digit.

    ``doubtful`` are confidently another digit; the intervals of shares are Wilson's, of counting
    alone. ``bayes_error`` is `noise`; no Bayes error exceeds the share ``misclassified``.
    ``expected_error``, the mean of one minus the highest probability, is what the networks expect
    of themselves. ``joint`` has images by label and confident digit; ``unconfirmed`` is about the
    test images whose label people did not confirm.
    """
    labels, tests = images.labels, np.flatnonzero(images.sources == 1)
    wrong = probabilities.argmax(axis=1) != labels
    people = tests[np.isin(np.arange(len(tests)), LABEL_ERRORS)]
    joint = confusion_matrix(labels, confident_digit(labels, probabilities), labels=range(10))
    return {
        "images": len(labels),
        "doubtful": {"images": len(doubtful)} | analysis.share("share", len(doubtful), len(labels)),
        "bayes_error": round(noise(joint, labels), 6),
        "misclassified": round(float(wrong.mean()), 6),
        "expected_error": round(float(1 - probabilities.max(axis=1).mean()), 6),
        "joint": joint.tolist(),
        "unconfirmed": {
            "images": len(people),
            **analysis.share("share", len(people), len(tests)),
            "doubtful": int(np.isin(people, doubtful["id"]).sum()),
            "misclassified": int(wrong[people].sum()),
        },
    }


def noise(joint: NDArray[np.int64], labels: NDArray[np.integer]) -> float:
    """Return the share of all images that are another digit than their label says, [0, 1].

    Each row of ``joint``, as in `describe`, is scaled to the number of images with that label (the
    calibration of Northcutt et al., section 3.1): images that confidently are no digit are taken to
    be divided as the others are.
    """
    counts = np.bincount(labels, minlength=10)
    calibrated = joint / joint.sum(axis=1, keepdims=True) * counts[:, np.newaxis]
    return float(1 - calibrated.trace() / len(labels))


def draw(images: Images, doubtful: pd.DataFrame) -> Figure:
    """Show the images with their label and what the networks predict."""
    titles = [
        f"image {row.id}\nlabel {row.label}, predicted {row.suggested}"
        for row in doubtful.itertuples()
    ]
    figure = figures.images(images.pixels[doubtful["id"].to_numpy()], titles)
    count = f"{len(doubtful)} of {len(images.labels):,}"
    figure.suptitle(f"{count} labels are doubtful, the surest first", fontsize=12)
    return figure


def markdown(summary: dict[str, Any]) -> str:
    """Write the shares as a table."""
    doubtful, people = summary["doubtful"], summary["unconfirmed"]
    rows = {
        "images": f"{summary['images']:,}",
        "confidently another digit than the label": f"{doubtful['images']:,}",
        "their share, %": estimate(doubtful, ".3f", "share"),
        "estimate of the Bayes error, %": percent(summary["bayes_error"], ".3f"),
        "misclassified out of sample, %": percent(summary["misclassified"], ".3f"),
        "error that the networks expect of themselves, %": percent(
            summary["expected_error"], ".3f"
        ),
        "test images whose label people did not confirm": people["images"],
        "their share of the test images, %": estimate(people, ".3f", "share"),
        "of them confidently another digit": people["doubtful"],
        "of them misclassified out of sample": people["misclassified"],
    }
    return analysis.as_markdown(({"": key, "value": value} for key, value in rows.items()), [""])
