"""The band that the mean of a few new runs lies in, from the runs of the study."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from studies.analysis import Findings, as_markdown
from studies.study import Study

FIGURES = ["train_loss", "test_loss", "test_error"]
LEVEL = 0.01  # the probability that any figure of a sound computer lies outside its band


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Return mean and standard deviation of every figure, in logarithms."""
    described = measured(table).round(6).reset_index().to_dict("records")
    shown = [
        {
            "network": one["setting"],
            "figure": one["figure"].replace("_", " "),
            "seeds": one["seeds"],
            "geometric mean": f"{np.exp(one['mean']):.5f}",
            "SD, %": f"{100 * one['std']:.1f}",
        }
        for one in described
    ]
    return Findings(described, {"tables.md": as_markdown(shown, ("network", "figure"))})


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Return seeds, mean and std of the logarithm of every figure, by setting and figure."""
    values = rows.assign(test_error=1 - rows["test_accuracy"]).set_index("setting")[FIGURES]
    logarithms = pd.Series(values.rename_axis(columns="figure").stack()).apply(np.log)
    of_each = logarithms.groupby(level=[0, 1], sort=False)
    return pd.DataFrame(of_each.agg(seeds="count", mean="mean", std="std"))


def judge(bands: list[dict[str, Any]], new: pd.DataFrame) -> list[dict[Any, Any]]:
    """Hold the mean of new runs, some of each setting, against ``bands``, the study's summary.

    There are, for every figure, setting, figure, the ends low and high of the band that the mean
    of as many new runs lies in, found, and whether it is inside. That any figure is outside has
    the probability `LEVEL` (Student's t, Bonferroni's correction).
    """
    keys = ["setting", "figure"]
    band = pd.DataFrame(bands).merge(
        measured(new).reset_index(), "left", keys, suffixes=("", "_new")
    )
    quantile = stats.t.ppf(1 - LEVEL / 2 / len(band), band["seeds"] - 1)
    half = quantile * band["std"] * np.sqrt(1 / band["seeds_new"] + 1 / band["seeds"])
    ends = {"low": band["mean"] - half, "high": band["mean"] + half, "found": band["mean_new"]}
    found = band[keys].assign(**{name: np.exp(end) for name, end in ends.items()})
    found["inside"] = found["found"].between(found["low"], found["high"])
    return found.to_dict("records")
