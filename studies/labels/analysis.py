"""Find doubtful labels among all images, and estimate the error that nobody can avoid."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from digits.data.dataset import Images
from digits.errors import PipelineError
from digits.evaluation import figures, statistics
from studies import analysis
from studies.analysis import Findings, percent
from studies.images import TESTING, read_images
from studies.label_errors import LABEL_ERRORS
from studies.labels import confident
from studies.study import Study


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Hold every label against the networks that were not trained on its image."""
    images = read_images(study.dataset, table)
    probabilities = held_out(study, table, folder, images.labels)
    doubtful = confident.doubtful(images.labels, probabilities)
    summary = describe(images, probabilities, doubtful)
    return Findings(
        summary,
        {
            "tables.md": markdown(summary),
            "doubtful.csv": doubtful.round(6).to_csv(index=False, lineterminator="\n").rstrip(),
        },
        {"sheet.png": draw(images, doubtful.head(study.shown))},
    )


def held_out(
    study: Study, table: pd.DataFrame, folder: Path, labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the probabilities, (n, 10), by networks that never saw an image; mean of seeds."""
    total, count = np.zeros((len(labels), 10)), np.zeros((len(labels), 1))
    for setting, fold, seed in zip(table["setting"], table["fold"], table["seed"], strict=True):
        parts = StratifiedKFold(study.folds or 2, shuffle=True, random_state=seed)
        test = list(parts.split(np.zeros(len(labels)), labels))[int(fold)][1]
        path = folder / f"runs/{setting}-all-fold{fold:.0f}-{seed}.npz"
        total[test] += analysis.probabilities(path, "test", len(test))
        count[test] += 1
    if not count.all():
        missing = int((count == 0).sum())
        raise PipelineError(f"{missing:,} images are in no finished fold; more runs are needed")
    return total / count


def describe(
    images: Images, probabilities: NDArray[np.float64], doubtful: pd.DataFrame
) -> dict[str, Any]:
    """Return the shares that bracket the Bayes error, and the counts by label and digit.

    Returns:
        images; doubtful: how many confidently are another digit; ``doubtful_share``: of all, with
        the ends of its 95 % interval (Wilson: of counting alone); ``bayes_error``: its estimate,
        `confident.noise`; ``misclassified``: the share that the networks misclassify, which no
        Bayes error exceeds; ``expected_error``: the mean of one minus the highest probability, the
        error that the networks expect of themselves; ``joint``: images by label and confident
        digit; ``unconfirmed``, of the test images whose label people did not confirm: how many
        there are, their share with its interval, how many are doubtful, how many misclassified.
    """
    labels = images.labels
    wrong = probabilities.argmax(axis=1) != labels
    testing = np.flatnonzero(images.sources == TESTING)
    unconfirmed = testing[[number for number in LABEL_ERRORS if number < len(testing)]]
    share = statistics.wilson_interval(len(unconfirmed), len(testing))
    low, high = statistics.wilson_interval(len(doubtful), len(labels))
    joint = confident.joint(labels, probabilities)
    return {
        "images": len(labels),
        "doubtful": len(doubtful),
        "doubtful_share": round(len(doubtful) / len(labels), 6),
        "doubtful_share_low": round(low, 6),
        "doubtful_share_high": round(high, 6),
        "bayes_error": round(confident.noise(joint, labels), 6),
        "misclassified": round(float(wrong.mean()), 6),
        "expected_error": round(float(1 - probabilities.max(axis=1).mean()), 6),
        "joint": joint.tolist(),
        "unconfirmed": {
            "images": len(unconfirmed),
            "share": round(len(unconfirmed) / len(testing), 6),
            "share_low": round(share[0], 6),
            "share_high": round(share[1], 6),
            "doubtful": int(np.isin(unconfirmed, doubtful["id"]).sum()),
            "misclassified": int(wrong[unconfirmed].sum()),
        },
    }


def draw(images: Images, doubtful: pd.DataFrame) -> Figure:
    """Show the images with their label, what the networks predict, and how surely."""
    titles = [
        f"label {row.label}\n{row.suggested}? {row.suggested_probability:.0%}"
        for row in doubtful.itertuples()
    ]
    return figures.images(images.pixels[doubtful["id"].to_numpy()], titles)


def markdown(summary: dict[str, Any]) -> str:
    """Write the shares as a table."""
    people = summary["unconfirmed"]

    def share(name: str, of: dict[str, Any]) -> str:
        low, high = of[f"{name}_low"], of[f"{name}_high"]
        return f"{_percent(of[name])} [{_percent(low)}, {_percent(high)}]"

    rows = {
        "images": f"{summary['images']:,}",
        "confidently another digit than the label": f"{summary['doubtful']:,}",
        "their share, %": share("doubtful_share", summary),
        "estimate of the Bayes error, %": _percent(summary["bayes_error"]),
        "misclassified out of sample, %": _percent(summary["misclassified"]),
        "error that the networks expect of themselves, %": _percent(summary["expected_error"]),
        "test images whose label people did not confirm": people["images"],
        "their share of the test images, %": share("share", people),
        "of them confidently another digit": people["doubtful"],
        "of them misclassified out of sample": people["misclassified"],
    }
    table = pd.DataFrame(rows.items(), columns=["", "value"])
    return analysis.as_markdown(table, [""])


def _percent(share: float) -> str:
    return percent(share, decimals=3)
