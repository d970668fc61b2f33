"""What the runs of a study show: means, intervals, differences, as data, tables and figures.

Pure: rows in, `Findings` out, without TensorFlow. A study with questions of its own has an
analysis.py in its folder, with `analyse` as here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from digits import config
from digits.errors import PipelineError
from digits.evaluation import statistics
from studies import pictures
from studies.study import Study

METRICS = ("train_accuracy", "dev_accuracy", "test_accuracy", "bias", "variance")
COMPARED = ("test_accuracy", "bias", "variance")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Findings:
    """What an analysis writes: summary.json, Markdown by file name, figures by file name."""

    summary: Any
    tables: Mapping[str, str]
    figures: Mapping[str, Figure] = field(default_factory=dict)


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Compare the settings of a study, each with its base.

    Args:
        study: as study.yaml has it.
        table: its rows.
        folder: of the study.
    """
    described = describe(with_gaps(table, study), study.base_of)
    figures = {}
    if described["differences"]:
        figures["gaps.png"] = pictures.gaps(described)
    if len(study.images) > 1:
        figures["sizes.png"] = pictures.sizes(described)
    return Findings(described, {"tables.md": markdown(described)}, figures)


def older(table: pd.DataFrame) -> str:
    """Say how many rows are from before the processor was recorded, if there are such."""
    count = int(table["processor"].isna().sum())
    text = f"\n\n{count} of {len(table)} rows do not say on which processor they were made."
    return text if count else ""


def with_gaps(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows with bias (train error - Bayes error) and variance (dev - train error)."""
    bayes_error = config.load().datasets[study.dataset].bayes_error
    train, dev = table["train_accuracy"], table["dev_accuracy"]
    gaps = {"bias": (1 - train - bayes_error).round(6), "variance": (train - dev).round(6)}
    return table.assign(**gaps)


def describe(table: pd.DataFrame, base_of: Callable[[str], str | None]) -> dict[str, Any]:
    """Return what the runs show of each setting, for every number of images.

    Args:
        table: columns setting, images, seed and `METRICS`.
        base_of: the setting that one is compared with, if any.

    Returns:
        ``settings``: a list with setting, images, seeds, and of each of `METRICS` mean, std over
        the seeds, and the ends ``low`` and ``high`` of the mean's 95 % interval (Student's t).
        ``differences``: a list with setting, base, images, metric, and of the setting's metric
        minus its base's, paired by seed, mean, low, high, p (of the paired t-test) and p_corrected
        (Holm, over all settings of that metric with as many images). All accuracies are shares, to
        six decimals; p has four digits; what too few seeds do not show is null.
    """
    groups = [
        (group["setting"].iloc[0], int(group["images"].iloc[0]), group)
        for _, group in table.groupby(["setting", "images"], sort=False)
    ]
    settings = [
        {
            "setting": setting,
            "images": images,
            "seeds": len(group),
            **{metric: mean_and_interval(group[metric].to_numpy()) for metric in METRICS},
        }
        for setting, images, group in groups
    ]
    differences = [
        {
            "setting": setting,
            "base": base,
            "images": images,
            "metric": metric,
            **difference(table, setting, base, images, metric),
        }
        for setting, images, _ in groups
        if (base := base_of(setting))
        for metric in COMPARED
    ]
    return {"settings": settings, "differences": corrected(differences)}


def mean_and_interval(values: NDArray[np.floating]) -> dict[str, float | None]:
    """Return mean, std, and the ends of the mean's 95 % interval (Student's t)."""
    mean, std = values.mean(), values.std(ddof=1) if len(values) > 1 else np.nan
    half = stats.t.ppf(0.975, len(values) - 1) * std / np.sqrt(len(values))
    found = {"mean": mean, "std": std, "low": mean - half, "high": mean + half}
    return {name: rounded(value) for name, value in found.items()}


def difference(
    table: pd.DataFrame, setting: str, base: str, images: int, metric: str
) -> dict[str, float | None]:
    """Return what a setting's metric gains over its base's, paired by seed."""
    wide = table[table["images"] == images].pivot(index="seed", columns="setting", values=metric)
    gains = (wide[setting] - wide[base]).round(6) if base in wide else pd.Series(dtype=float)
    return paired(gains.dropna().to_numpy())


def paired(gains: NDArray[np.floating]) -> dict[str, float | None]:
    """Return mean, 95 % interval and p (t-test against 0) of differences paired by seed."""
    if not len(gains):
        return dict.fromkeys(("mean", "low", "high", "p"))
    of_gains = mean_and_interval(gains)
    del of_gains["std"]
    if len(gains) < 2 or np.ptp(gains) == 0:  # no spread to hold the mean against
        return {**of_gains, "p": None}
    return {**of_gains, "p": float(f"{stats.ttest_1samp(gains, 0).pvalue:.4g}")}


def corrected(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add p_corrected: by Holm's method over all settings, whatever their base."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in differences:
        one["p_corrected"] = None
        if one["p"] is not None:
            families.setdefault((one["images"], one["metric"]), []).append(one)
    for family in families.values():
        for one, p in zip(family, statistics.holm([one["p"] for one in family]), strict=True):
            one["p_corrected"] = float(f"{p:.4g}")
    return differences


def rounded(value: float) -> float | None:
    """Round a share to six decimals; None for what is not known."""
    return round(float(value), 6) if np.isfinite(value) else None


def markdown(described: Mapping[str, Any]) -> str:
    """Write both parts as tables, in percent and percentage points."""
    parts = [
        pd.DataFrame(
            {
                "setting": one["setting"],
                "images": f"{one['images']:,}",
                "seeds": one["seeds"],
                **{
                    metric.replace("_accuracy", ", %"): mean_and_std(one[metric])
                    for metric in METRICS
                },
            }
            for one in described["settings"]
        )
    ]
    if described["differences"]:
        parts.append(pd.DataFrame(_rows_of_differences(described["differences"])))
    return "\n\n".join(as_markdown(part, ("setting", "against")) for part in parts)


def _rows_of_differences(differences: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows: dict[tuple[Any, ...], dict[str, str]] = {}
    for one in differences:
        row = rows.setdefault(
            (one["setting"], one["images"]),
            {"setting": one["setting"], "against": one["base"], "images": f"{one['images']:,}"},
        )
        name = one["metric"].replace("_accuracy", "")
        star = "*" if one["p_corrected"] is not None and one["p_corrected"] < SIGNIFICANT else ""
        row[name] = f"{percent(one['mean'], '+')} {interval(one, '+')}{star}"
    return list(rows.values())


def as_markdown(table: pd.DataFrame, left: Sequence[str] = ()) -> str:
    """Write a table of text, numbers to the right but for the columns ``left``."""
    align = ["left" if column in left else "right" for column in table.columns]
    return str(table.to_markdown(index=False, disable_numparse=True, colalign=align))


def mean_and_std(one: Mapping[str, Any]) -> str:
    """Write mean ± SD in percent; of one seed, which has none, the mean alone."""
    mean = percent(one["mean"])
    return mean if one["std"] is None else f"{mean} ± {percent(one['std'])}"


def interval(one: Mapping[str, Any], sign: str = "") -> str:
    """Write the interval from low to high in brackets, in percent."""
    return f"[{percent(one['low'], sign)}, {percent(one['high'], sign)}]"


def percent(share: float | None, sign: str = "", decimals: int = 2) -> str:
    """Write a share in percent, or a dash."""
    return "-" if share is None else f"{100 * share:{sign}.{decimals}f}"


def kept(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of that name and shape, which a run kept.

    Raises:
        PipelineError: the file is missing, damaged or another one.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            array: NDArray[Any] = content[name]
    except FileNotFoundError:
        raise PipelineError(f"{path} is missing; `git checkout {path}` brings it back") from None
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise PipelineError(f"{path} cannot be read: {error}") from None
    if array.shape != shape:
        raise PipelineError(f"{path}: expected {name} of shape {shape}, found {array.shape}")
    return array


def probabilities(path: Path, name: str, count: int) -> NDArray[np.float64]:
    """Return the probabilities of a set, (count, 10), from a run that kept their logarithms."""
    logarithms = kept(path, f"{name}_log_probabilities", (count, 10))
    found: NDArray[np.float64] = np.exp(logarithms.astype(np.float64))
    return found
