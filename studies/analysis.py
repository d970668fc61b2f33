"""What the runs of a study show: means, intervals, differences, as data, tables and figures.

Pure: rows in, `Findings` out, without TensorFlow. A study with questions of its own has an
analysis.py in its folder, with `analyse` as here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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

METRICS = {
    "train_accuracy": "train, %",
    "dev_accuracy": "dev, %",
    "test_accuracy": "test, %",
    "bias": "bias",
    "variance": "variance (dev)",
    "test_variance": "variance (test)",
}
COMPARED = ("test_accuracy", "bias", "variance", "test_variance")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Findings:
    """What an analysis writes: summary.json, Markdown by file name, figures by file name."""

    summary: Any
    tables: Mapping[str, str]
    figures: Mapping[str, Figure] = field(default_factory=dict)


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Compare the settings of a study, each with its base; ``table`` has its rows."""
    described = describe(with_gaps(table, study), study.pairs)
    figures = {}
    if described["differences"]:
        figures["gaps.png"] = pictures.gaps(described)
    if len(study.images) > 1:
        figures["sizes.png"] = pictures.sizes(described)
    texts = {"answer.md": answer(described), "tables.md": markdown(described)}
    return Findings(described, texts, figures)


def with_gaps(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the rows with bias (train error - Bayes error) and both variances.

    These are the dev error minus the train error, and the test error minus the train error.
    """
    bayes_error = config.load().datasets[study.dataset].bayes_error
    train, dev, test = (table[f"{name}_accuracy"] for name in ("train", "dev", "test"))
    gaps = {"bias": 1 - train - bayes_error, "variance": train - dev, "test_variance": train - test}
    return table.assign(**{name: gap.round(6) for name, gap in gaps.items()})


def describe(
    table: pd.DataFrame,
    pairs: Collection[tuple[str, str]],
    metrics: Iterable[str] = METRICS,
    compared: Sequence[str] = COMPARED,
) -> dict[str, Any]:
    """Return what the runs show of each setting, for every number of images.

    ``table`` has the columns setting, images, seed and ``metrics``, shares; ``pairs`` are settings,
    each with one that it is compared with. There are ``settings``: setting, images, seeds, and of
    each metric what `mean_and_interval` returns; and ``differences``: setting, base, images,
    metric, and of the setting's metric minus its base's what `paired` and `corrected` return.
    Shares have six decimals, p has four digits; what too few seeds do not show is null.
    """
    settings = [
        {"setting": setting, "images": int(group["images"].iloc[0]), "seeds": len(group)}
        | {metric: mean_and_interval(group[metric]) for metric in metrics}
        for (setting, _), group in table.groupby(["setting", "images"], sort=False)
    ]
    differences = [
        {"setting": setting, "base": base, "images": one["images"], "metric": metric}
        | difference(table[table["images"] == one["images"]], setting, base, metric)
        for one in settings
        for setting, base in pairs
        if setting == one["setting"]
        for metric in compared
    ]
    return {"settings": settings, "differences": corrected(differences)}


def mean_and_interval(values: pd.Series) -> dict[str, float | None]:
    """Return mean, std, and the ends of the mean's 95 % interval (Student's t)."""
    mean, std = values.mean(), values.std()
    half = stats.t.ppf(0.975, len(values) - 1) * std / np.sqrt(len(values))
    found = {"mean": mean, "std": std, "low": mean - half, "high": mean + half}
    return {name: rounded(value) for name, value in found.items()}


def difference(table: pd.DataFrame, setting: str, base: str, metric: str) -> dict[str, Any]:
    """Return what a setting's metric gains over its base's, paired by seed."""
    wide = table.pivot(index="seed", columns="setting", values=metric)
    wide = wide.reindex(columns=[setting, base])
    return paired((wide[setting] - wide[base]).round(6).dropna())


def paired(gains: pd.Series) -> dict[str, float | None]:
    """Return mean, 95 % interval and p (t-test against 0) of differences paired by seed."""
    found = mean_and_interval(gains) | {"p": None}
    del found["std"]
    if gains.nunique() > 1:  # else there is no spread to hold the mean against
        found["p"] = float(f"{stats.ttest_1samp(gains, 0).pvalue:.4g}")
    return found


def corrected(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add p_corrected: Holm's, over all settings of a metric with as many images."""
    table = pd.DataFrame(differences, columns=["images", "metric", "p"]).dropna()
    families = table.groupby(["images", "metric"])["p"]
    holm = families.transform(lambda p: statistics.holm(list(p)))
    found = {number: float(f"{p:.4g}") for number, p in holm.items()}
    return [one | {"p_corrected": found.get(number)} for number, one in enumerate(differences)]


def rounded(value: float) -> float | None:
    """Round a share to six decimals; None for what is not known."""
    return round(float(value), 6) if np.isfinite(value) else None


def share(name: str, count: int, of: int) -> dict[str, float]:
    """Return a share by its name, and low and high, the ends of its 95 % interval (Wilson)."""
    low, high = statistics.wilson_interval(count, of)
    found = {name: count / of, "low": low, "high": high}
    return {key: round(value, 6) for key, value in found.items()}


def answer(described: Mapping[str, Any]) -> str:
    """Say of each compared metric which differences are significant, in percentage points."""
    found: dict[str, list[str]] = {}
    for one in described["differences"]:
        told = found.setdefault(METRICS[one["metric"]].removesuffix(", %").capitalize(), [])
        if star(one):
            told.append(
                f"{one['setting']} - {one['base']} {estimate(one, '+.2f')} "
                f"({p_value(one['p_corrected'])}) with {one['images']:,} images"
            )
    lines = [f"- **{name}**: {'; '.join(told) or 'none'}" for name, told in found.items()]
    return "\n".join(["Significant differences, in points:", "", *lines] if lines else [])


def p_value(p: float) -> str:
    """Write a p-value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def markdown(described: Mapping[str, Any], names: Mapping[str, str] = METRICS) -> str:
    """Write both parts as tables, in percent and percentage points, metrics by their names."""
    settings = [
        {"setting": one["setting"], "images": f"{one['images']:,}", "seeds": one["seeds"]}
        | {name: mean_and_std(one[metric]) for metric, name in names.items()}
        for one in described["settings"]
    ]
    differences: dict[tuple[str, ...], dict[str, str]] = {}
    for one in described["differences"]:
        row = {"setting": one["setting"], "against": one["base"], "images": f"{one['images']:,}"}
        row = differences.setdefault(tuple(row.values()), row)
        name = names[one["metric"]].removesuffix(", %")
        row[name] = estimate(one, "+.2f") + star(one)
    parts = [settings, list(differences.values())]
    return "\n\n".join(as_markdown(part, ("setting", "against")) for part in parts if part)


def as_markdown(rows: pd.DataFrame | Iterable[dict[str, Any]], left: Sequence[str] = ()) -> str:
    """Write rows of text as a table, to the right but for the columns ``left``."""
    table = pd.DataFrame(rows)
    if table.empty:
        return "The runs are still to be made."
    align = ["left" if column in left else "right" for column in table.columns]
    return str(table.to_markdown(index=False, disable_numparse=True, colalign=align))


def mean_and_std(one: Mapping[str, Any]) -> str:
    """Write mean ± SD in percent; of one seed, which has none, the mean alone."""
    mean = percent(one["mean"])
    return mean if one["std"] is None else f"{mean} ± {percent(one['std'])}"


def estimate(one: Mapping[str, Any], form: str = ".2f", key: str = "mean") -> str:
    """Write an estimate and its interval, in percent."""
    return "-" if one[key] is None else f"{percent(one[key], form)} {interval(one, form)}"


def interval(one: Mapping[str, Any], form: str = ".2f") -> str:
    """Write the interval from low to high in brackets, in percent."""
    return f"[{percent(one['low'], form)}, {percent(one['high'], form)}]"


def percent(value: float | None, form: str = ".2f", scale: float = 100) -> str:
    """Write a share in percent, or a dash."""
    return "-" if value is None else f"{scale * value:{form}}"


def star(one: Mapping[str, Any]) -> str:
    """Return the mark of a significant effect, or nothing."""
    return "*" if one["p_corrected"] is not None and one["p_corrected"] < SIGNIFICANT else ""


def kept(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of that name and shape, which a run kept.

    Raises PipelineError if the file is missing, damaged or another one.
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
