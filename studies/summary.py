"""A study's trainings as a tidy table, and what they say: means, intervals, differences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from digits.errors import PipelineError
from digits.evaluation import statistics
from studies.jobs import Result
from studies.study import Study
from studies.trial import SETS, Trial

MEASURED = ["epochs", *(f"{name}_{kind}" for kind in ("accuracy", "loss") for name in SETS)]
COLUMNS = ["setting", "images", "seed", *MEASURED, "bias", "variance", "identity"]
FIGURES = (*(f"{name}_accuracy" for name in SETS), "bias", "variance")
COMPARED = ("test_accuracy", "bias", "variance")
SIGNIFICANT = 0.05


def tabulate(
    trials: Mapping[str, Trial], results: Mapping[str, Result], bayes_error: float
) -> pd.DataFrame:
    """Return a row for each training that is there, in the order of ``trials``.

    Columns: setting, images (trained on), seed, epochs, accuracy ([0, 1]) and loss (cross-entropy,
    nats) on train, dev and unseen test, bias (train error minus Bayes error), variance (dev error
    minus train error), and the training's identity.
    """
    rows = []
    for identity, trial in trials.items():
        if (result := results.get(identity)) is None:
            continue
        train, dev = result["train_accuracy"], result["dev_accuracy"]
        rows.append(
            {
                "setting": trial.setting,
                "seed": trial.seed,
                **result,
                "bias": round(1 - train - bayes_error, 6),
                "variance": round(train - dev, 6),
                "identity": identity,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def read_results(path: Path, trials: Mapping[str, Trial]) -> dict[str, Result]:
    """Return the results that a table from `tabulate` holds of ``trials``, by identity.

    Raises:
        PipelineError: the file is there, but no such table.
    """
    if not path.exists():
        return {}
    table = read_table(path)
    kept = table[["images", *MEASURED]].astype(object)
    by_identity = dict(zip(table["identity"], kept.to_dict("records"), strict=True))
    return {key: by_identity[key] for key in trials if key in by_identity}


def read_table(path: Path) -> pd.DataFrame:
    """Read a table from `tabulate`.

    Raises:
        PipelineError: it is no such table.
        FileNotFoundError: there is no such file.
    """
    texts: dict[str, type] = {"setting": str, "identity": str}
    counts: dict[str, type] = dict.fromkeys(("images", "seed", "epochs"), np.int64)
    try:
        table = pd.read_csv(path, dtype=texts | counts)
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of trainings: {error}") from None
    numbers = table.drop(columns=list(texts), errors="ignore")
    numbers = numbers.apply(pd.to_numeric, errors="coerce")
    if list(table.columns) != COLUMNS or not np.isfinite(numbers).all(axis=None):
        raise PipelineError(
            f"{path}: expected the columns {', '.join(COLUMNS)} with a number in each but setting "
            "and identity; without the file everything is trained anew"
        )
    return table.round(6)  # to what was written, whatever the parser's last digit


def describe(table: pd.DataFrame, study: Study) -> dict[str, Any]:
    """Return what the trainings say of each setting, for every number of images.

    Returns:
        ``settings``: a list with setting, images, seeds, and of each of `FIGURES` mean, deviation
        over the seeds, and the ends ``low`` and ``high`` of the mean's 95 % interval (Student's t).
        ``differences``: a list with setting, base, images, figure, and of the setting's figure
        minus its base's, paired by seed, mean, low, high, p (of the paired t-test) and p_corrected
        (Holm, over all settings of that figure with as many images). All accuracies are
        shares, to six decimals; p has four digits; what too few seeds do not say is null.
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
            **{figure: spread(group[figure].to_numpy()) for figure in FIGURES},
        }
        for setting, images, group in groups
    ]
    differences = [
        {
            "setting": setting,
            "base": base,
            "images": images,
            "figure": figure,
            **difference(table, setting, base, images, figure),
        }
        for setting, images, _ in groups
        if (base := study.base_of(setting))
        for figure in COMPARED
    ]
    return {"settings": settings, "differences": corrected(differences)}


def spread(values: np.ndarray) -> dict[str, float | None]:
    """Return mean, deviation, and the ends of the mean's 95 % interval."""
    mean, deviation = values.mean(), values.std(ddof=1) if len(values) > 1 else np.nan
    half = stats.t.ppf(0.975, len(values) - 1) * deviation / np.sqrt(len(values))
    ends = {"low": mean - half, "high": mean + half}
    return {
        name: rounded(value)
        for name, value in ({"mean": mean, "deviation": deviation} | ends).items()
    }


def difference(
    table: pd.DataFrame, setting: str, base: str, images: int, figure: str
) -> dict[str, float | None]:
    """Return what a setting's figure gains over its base's, paired by seed."""
    wide = table[table["images"] == images].pivot(index="seed", columns="setting", values=figure)
    gains = (wide[setting] - wide[base]).round(6).to_numpy() if base in wide else np.empty(0)
    gains = gains[np.isfinite(gains)]
    if not len(gains):
        return {**dict.fromkeys(("mean", "low", "high"), None), "p": None}
    of_gains = spread(gains)
    del of_gains["deviation"]
    if len(gains) < 2 or np.ptp(gains) == 0:  # no spread to hold the mean against
        return {**of_gains, "p": None}
    return {**of_gains, "p": float(f"{stats.ttest_1samp(gains, 0).pvalue:.4g}")}


def corrected(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add p_corrected: by Holm's method over all settings, whatever their base."""
    families: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in differences:
        one["p_corrected"] = None
        if one["p"] is not None:
            families.setdefault((one["images"], one["figure"]), []).append(one)
    for family in families.values():
        for one, p in zip(family, statistics.holm([one["p"] for one in family]), strict=True):
            one["p_corrected"] = float(f"{p:.4g}")
    return differences


def rounded(value: float) -> float | None:
    """Round a share to six decimals; None for what is not known."""
    return round(float(value), 6) if np.isfinite(value) else None


def markdown(described: Mapping[str, Any]) -> str:
    """Write both parts as tables, in percent and points."""
    parts = [
        pd.DataFrame(
            {
                "setting": one["setting"],
                "images": f"{one['images']:,}",
                "seeds": one["seeds"],
                **{
                    figure.replace("_accuracy", ", %").replace("test", "unseen test"): (
                        of_seeds(one[figure])
                    )
                    for figure in FIGURES
                },
            }
            for one in described["settings"]
        )
    ]
    if described["differences"]:
        parts.append(pd.DataFrame(_rows_of_differences(described["differences"])))
    return "\n\n".join(
        part.to_markdown(index=False, disable_numparse=True, colalign=_align(part))
        for part in parts
    )


def _rows_of_differences(differences: list[dict[str, Any]]) -> list[dict[str, str]]:
    rows: dict[tuple[Any, ...], dict[str, str]] = {}
    for one in differences:
        row = rows.setdefault(
            (one["setting"], one["images"]),
            {"setting": one["setting"], "against": one["base"], "images": f"{one['images']:,}"},
        )
        name = one["figure"].replace("_accuracy", "")
        star = "*" if one["p_corrected"] is not None and one["p_corrected"] < SIGNIFICANT else ""
        ends = f"{percent(one['low'], '+')}, {percent(one['high'], '+')}"
        row[name] = f"{percent(one['mean'], '+')} [{ends}]{star}"
    return list(rows.values())


def _align(table: pd.DataFrame) -> list[str]:
    texts = ("setting", "against")
    return ["left" if column in texts else "right" for column in table.columns]


def of_seeds(one: Mapping[str, Any]) -> str:
    """Write mean ± deviation in percent; of one seed, which has none, the mean alone."""
    mean = percent(one["mean"])
    return mean if one["deviation"] is None else f"{mean} ± {percent(one['deviation'])}"


def percent(share: float | None, sign: str = "") -> str:
    """Write a share in percent with two decimals, or a dash."""
    return "-" if share is None else f"{100 * share:{sign}.2f}"
