"""The effect of each kind of regularization, from every combination of them.

Rows of settings that are crossed (`cross` in study.yaml) are coded -1 (out) and +1 (in). An effect
is the outcome with a factor minus that without it; that of an interaction is half of what the one
factor changes about the other's effect. Box, G. E. P., Hunter, J. S., and Hunter, W. G. (2005),
Statistics for Experimenters, chapter 5.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from digits import config
from digits.data import splits
from digits.errors import PipelineError
from digits.evaluation import statistics
from studies import analysis
from studies.analysis import Findings
from studies.images import read_images
from studies.regularization import page
from studies.regularization.page import DECOMPOSED, EQUIVALENT, MEASURED, OUTCOMES, SHORT
from studies.study import Study

LONG = "long_"
SCHEDULE = "plateau"
RATES = {"falling": 1, "constant": -1}  # as the schedule is coded
LOGARITHMS = [name for name, (_, unit) in (OUTCOMES | DECOMPOSED).items() if unit == "%"]
DRAWS = 2000  # of the bootstrap
ROUNDING = 0.01  # share of the images whose most probable digit may be lost in it


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Estimate all effects, and check them in the ways that study.yaml says beforehand."""
    images = read_images(study.dataset, table)
    split = splits.divide(images.labels, images.sources, config.load().split)
    labels = images.labels[splits.sets(split)["test"]]  # in the order in which runs keep them
    return page.findings(describe(study, table, folder, labels))


def describe(
    study: Study, table: pd.DataFrame, folder: Path, labels: NDArray[np.uint8]
) -> dict[str, Any]:
    """Return all that is estimated; ``labels`` are those of the test images."""
    factors, short, long = list(study.factors), code(table, study, SHORT), code(table, study, LONG)
    if short["block"].nunique() < 2:
        raise PipelineError(f"two seeds must have all settings of {SHORT}*; more runs are needed")
    brier = decompose(short, folder, labels)
    logarithms = brier.assign(**{part: np.log(brier[part]) for part in DECOMPOSED})
    found = [effects(short, factors, outcome) for outcome in OUTCOMES]
    found += [
        effects(logarithms, factors, outcome, errors="HC2").query("order == 1")
        for outcome in DECOMPOSED
    ]
    without = [
        effects(short[short["block"] != block], factors, "test_error").assign(block=int(block))
        for block in sorted(short["block"].unique())
    ]
    longer = effects(long, factors, "test_error", interactions=False) if len(long) else long
    others = [factor for factor in factors if factor != SCHEDULE]
    rates = {}
    for name, sign in RATES.items():
        rows, parts = short[short[SCHEDULE] == sign], logarithms[logarithms[SCHEDULE] == sign]
        outcomes = dict.fromkeys(OUTCOMES, rows) | dict.fromkeys(DECOMPOSED, parts)
        every = [effects(part, others, one, errors="HC2") for one, part in outcomes.items()]
        rates[name] = {
            "effects": pd.concat(every).query("order == 1").to_dict("records"),
            "bootstrap": bootstrap(rows, others, folder, len(labels)),
            "std": round(rows.groupby("setting")["test_error_points"].var().mean() ** 0.5, 6),
        }
    return {
        "trainings": len(short),
        "residual_degrees_of_freedom": freedom(short, factors),
        "effects": pd.concat(found).to_dict("records"),
        "rates": rates,
        "by_block": by_block(short, factors),
        "equivalence": equivalence(short, factors, "l2"),
        "bootstrap": bootstrap(short, factors, folder, len(labels)),
        "without_a_block": pd.concat(without).query("order == 1").to_dict("records"),
        "additions": additions(study, table),
        "long": longer.to_dict("records"),
        "settings": settings(short, brier),
    }


def code(table: pd.DataFrame, study: Study, prefix: str) -> pd.DataFrame:
    """Return the rows of the crossed settings, with a column for each factor and outcome.

    Factors are -1 or +1, ``block`` is the seed; accuracies have become errors, [0, 1]. A block that
    lacks a setting is left out.
    """
    settings = [name for name in study.settings if name.startswith(prefix)]
    rows = table[table["setting"].isin(settings)]
    rows = rows[rows.groupby("seed")["setting"].transform("nunique") == len(settings)]
    present = rows["setting"].str.removeprefix(prefix).replace("none", "")
    coded = {factor: np.where(present.str.contains(factor[0]), 1, -1) for factor in study.factors}
    test, train = 1 - rows["test_accuracy"], 1 - rows["train_accuracy"]
    measured = {"test_error": np.log(test), "test_loss": np.log(rows["test_loss"])}
    measured |= {"train_error": train, "gap": test - train, "test_error_points": test}
    kept = rows[["setting", "images", "seed"]]
    return kept.assign(block=rows["seed"], **coded, **measured).reset_index(drop=True)


def by_block(rows: pd.DataFrame, factors: Sequence[str]) -> list[dict[Any, Any]]:
    """Return every main effect on `MEASURED` in each block alone: the mean with minus without."""
    found = [
        (2 * rows[MEASURED].mul(rows[factor], axis=0)).groupby(rows["block"]).mean()
        for factor in factors
    ]
    table = pd.concat(found, keys=factors, names=["term"]).round(6)
    return table.reset_index().to_dict("records")


def effects(
    rows: pd.DataFrame,
    factors: Sequence[str],
    outcome: str,
    *,
    interactions: bool = True,
    errors: str = "HC3",
) -> pd.DataFrame:
    """Return the main effects of the factors and, unless told otherwise, those of every two.

    ``rows`` are of `code`, from one block or several; ``factors`` and ``outcome`` are columns.
    ``errors`` are HC3, which is planned, and conservative where there are few rows for many terms;
    or HC2, which is the usual error here, since every row has the same leverage.

    There are outcome, term, order (1 or 2), effect with the ends low and high of its 95 % interval,
    se, p, and p_corrected (Holm, over the terms of its order). Of an outcome that is a logarithm,
    effect and ends are shares by which the outcome changes.
    """
    terms = rows[[*factors]].astype(float)
    if interactions:
        for first, second in itertools.combinations(factors, 2):
            terms[f"{first}:{second}"] = terms[first] * terms[second]
    blocks = pd.get_dummies(rows["block"], dtype=float)
    design = np.column_stack([blocks, *terms.to_numpy().T])
    fit = sm.OLS(rows[outcome].to_numpy(float), design).fit(cov_type=errors, use_t=True)
    last = slice(-terms.shape[1], None)
    found = pd.DataFrame(2 * fit.conf_int()[last], columns=["low", "high"])
    found["effect"] = 2 * fit.params[last]
    if outcome in LOGARITHMS:
        found = found.apply(np.expm1)
    found = found.assign(outcome=outcome, term=terms.columns, se=2 * fit.bse[last])
    found = found.assign(order=found["term"].str.count(":") + 1, p=fit.pvalues[last])
    found["p_corrected"] = found.groupby("order")["p"].transform(lambda p: statistics.holm(list(p)))
    return found.round(dict.fromkeys(("effect", "low", "high", "se"), 6))


def additions(study: Study, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what settings that are not crossed add to their base, paired by block.

    There are setting, blocks, and the test error's change with it: effect, low, high (95 %,
    Student's t), as shares of it, points, p, p_corrected (Holm). Settings with fewer than two
    blocks are left out.
    """
    error = 1 - table.pivot_table(index="seed", columns="setting", values="test_accuracy")
    found = []
    for name, base in study.pairs:
        pair = error.reindex(columns=[name, base]).dropna()
        ratio: Any = analysis.paired((pair[name] / pair[base]).apply(np.log))
        if ratio["p"] is not None:
            one: dict[str, Any] = {"setting": name, "images": study.images[0]}
            for key, end in (("effect", "mean"), ("low", "low"), ("high", "high")):
                one[key] = round(float(np.expm1(ratio[end])), 6)
            points = round(float((pair[name] - pair[base]).mean()), 6)
            one |= {"points": points, "blocks": len(pair), "p": ratio["p"]}
            found.append(one | {"metric": "test_error"})
    return analysis.corrected(found)


def freedom(rows: pd.DataFrame, factors: Sequence[str]) -> int:
    """Return the degrees of freedom that the model of `effects` leaves for the residuals."""
    return len(rows) - rows["block"].nunique() - len(factors) * (len(factors) + 1) // 2


def equivalence(rows: pd.DataFrame, factors: Sequence[str], factor: str) -> dict[str, Any]:
    """Return whether a factor's effect on test error lies within `EQUIVALENT`, at a level of 5 %.

    Two one-sided tests: the 90 % interval lies within. Schuirmann, D. J. (1987), A comparison of
    the two one-sided tests procedure and the power approach, J. Pharmacokin. Biopharm. 15, 657-680.
    """
    every = effects(rows, factors, "test_error_points")
    (found,) = every.query("term == @factor").to_dict("records")
    half = stats.t.ppf(0.95, freedom(rows, factors)) * found["se"]
    low, high = float(found["effect"] - half), float(found["effect"] + half)
    within = low > -EQUIVALENT and high < EQUIVALENT
    return {"factor": factor, "low": round(low, 6), "high": round(high, 6), "equivalent": within}


def read_kept(
    rows: pd.DataFrame, folder: Path, name: str, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return an array of each of the runs, (runs, *shape)."""
    names = [f"{row.setting}-{row.images}-{row.seed}.npz" for row in rows.itertuples()]
    return np.stack([analysis.kept(folder / "runs" / one, name, shape) for one in names])


def _correct(rows: pd.DataFrame, folder: Path, count: int) -> NDArray[np.uint8]:
    packed = read_kept(rows, folder, "test_correct", (-(-count // 8),))
    return np.unpackbits(packed, axis=1, count=count)


def decompose(rows: pd.DataFrame, folder: Path, labels: NDArray[np.uint8]) -> pd.DataFrame:
    """Return brier_bias and brier_variance, both in [0, 2], of every setting over its blocks.

    But for noise in the labels, the mean Brier score is the squared distance of the mean prediction
    from the label (bias) plus the mean squared distance of each prediction from their mean
    (variance). Both are unbiased for few networks. Geman, S., Bienenstock, E., and Doursat, R.
    (1992), Neural networks and the bias/variance dilemma, Neural Computation 4.
    """
    truth = np.eye(10, dtype=np.float32)[labels]
    found = []
    for _, group in rows.groupby("setting", sort=False):
        kept = read_kept(group, folder, "test_rounded", truth.shape).astype(np.float32) / 255
        right = _correct(group, folder, len(labels))
        if ((kept.argmax(axis=2) == labels) != right).mean() > ROUNDING:
            raise PipelineError("params.yaml has another split than the runs had")
        variance = kept.var(axis=0, ddof=1).sum(axis=1).mean()
        distance = ((kept.mean(axis=0) - truth) ** 2).sum(axis=1).mean()
        bias = distance - variance / len(kept)
        brier = {"brier_bias": float(bias), "brier_variance": float(variance)}
        found.append(group.iloc[:1].assign(block=0, **brier))
    return pd.concat(found, ignore_index=True)


def bootstrap(
    rows: pd.DataFrame, factors: Sequence[str], folder: Path, count: int
) -> list[dict[Any, Any]]:
    """Return main effects on test error, had other test images and other blocks been drawn.

    The standard deviation of `DRAWS` draws, with replacement, of blocks and of the ``count`` images
    gives the intervals, by Student's t with a degree of freedom less than there are blocks.
    """
    wrong = 1.0 - _correct(rows, folder, count)
    signs, block = rows[list(factors)].to_numpy(float), rows["block"].to_numpy()
    parts = [  # of every block: each image's share in every effect, (factors, images)
        2 * signs[block == one].T @ wrong[block == one] / (block == one).sum()
        for one in np.unique(block)
    ]
    rng = np.random.default_rng(1)
    drawn = np.empty((DRAWS, len(factors)))
    for number in range(DRAWS):
        weights = np.bincount(rng.integers(0, count, count), minlength=count) / count
        chosen = [parts[one] for one in rng.integers(0, len(parts), len(parts))]
        drawn[number] = np.mean(chosen, axis=0) @ weights
    blocks = len(parts)
    half = stats.t.ppf(0.975, blocks - 1) * np.sqrt(blocks / (blocks - 1)) * drawn.std(axis=0)
    mean = np.mean(parts, axis=0).mean(axis=1)
    low, high = (mean - half).round(6), (mean + half).round(6)
    return pd.DataFrame({"term": factors, "low": low, "high": high}).to_dict("records")


def settings(rows: pd.DataFrame, brier: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return mean and SD over the blocks of every setting, and its bias and variance."""
    decomposed = brier.set_index("setting")[[*DECOMPOSED]].round(6)
    return [
        {"setting": name, "blocks": len(group)}
        | group[MEASURED].agg(["mean", "std"]).round(6).to_dict()
        | decomposed.loc[name].to_dict()
        for name, group in rows.groupby("setting", sort=False)
    ]
