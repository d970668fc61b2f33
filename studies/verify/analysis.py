"""The band that the mean of a few new runs lies in, from the runs of the study."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from studies.analysis import Findings, as_markdown
from studies.study import Study

FIGURES = ("train_loss", "test_loss", "test_error")
LEVEL = 0.01  # the probability that any figure of a sound computer lies outside its band


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Return mean and standard deviation of every figure, in logarithms."""
    described: list[dict[str, Any]] = [
        {
            "setting": setting,
            "figure": figure,
            "seeds": len(rows),
            "mean": round(float(values.mean()), 6),
            "std": round(float(values.std(ddof=1)), 6),
        }
        for setting in study.settings
        for rows in [table[table["setting"] == setting]]
        for figure in FIGURES
        for values in [measured(rows, figure)]
    ]
    shown = pd.DataFrame(
        {
            "network": one["setting"],
            "figure": one["figure"].replace("_", " "),
            "seeds": one["seeds"],
            "geometric mean": f"{np.exp(one['mean']):.5f}",
            "SD, %": f"{100 * one['std']:.1f}",
        }
        for one in described
    )
    return Findings(described, {"tables.md": as_markdown(shown, ("network", "figure"))})


def measured(rows: pd.DataFrame, figure: str) -> pd.Series:
    """Return the logarithm of a figure of each run."""
    values = 1 - rows["test_accuracy"] if figure == "test_error" else rows[figure]
    return pd.Series(np.log(values))


def judge(bands: list[dict[str, Any]], new: pd.DataFrame) -> list[dict[str, Any]]:
    """Hold the mean of new runs against the runs of the study.

    Args:
        bands: the summary of `analyse`.
        new: rows of new runs, some of each setting.

    Returns:
        For every figure: setting, figure, the ends low and high of the band that the mean of as
        many new runs lies in, found, and whether it is inside. All figures together are outside
        with the probability `LEVEL` (Student's t, Bonferroni's correction).
    """
    found = []
    for band in bands:
        values = measured(new[new["setting"] == band["setting"]], band["figure"])
        quantile = stats.t.ppf(1 - LEVEL / 2 / len(bands), band["seeds"] - 1)
        half = quantile * band["std"] * np.sqrt(1 / len(values) + 1 / band["seeds"])
        low, mean, high = np.exp([band["mean"] - half, values.mean(), band["mean"] + half])
        found.append(
            {key: band[key] for key in ("setting", "figure")}
            | {"low": float(low), "high": float(high), "found": float(mean)}
            | {"inside": bool(low <= mean <= high)}
        )
    return found
