"""Hold every published figure against the runs of the study."""

from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator
from scipy import stats

from digits import config
from digits.config import Section
from digits.evaluation import figures
from digits.io import CURVES
from studies import analysis
from studies.analysis import Findings
from studies.study import Study

METRICS = {
    "running_accuracy": "train (last epoch), %",
    "running_loss": "train loss (last epoch)",
    "dev_accuracy": "dev, %",
    "test_accuracy": "test, %",
    "test_loss": "test loss",
}
CONSISTENT, INCONCLUSIVE = "consistent", "inconclusive"
ALL = 70_000
# Of ALL; S3 drew its own.
IMAGES = {"running_accuracy": 39_900, "dev_accuracy": 2_100, "test_accuracy": 28_000}
# What the mistakes are, by the set that is measured with them.
MISTAKES = {
    "divided_by_225": "S1: test pixels divided by 225, training pixels by 255",
    "own_statistics": "S3: test images standardized by their own mean and deviation",
    "test_as_published": "S3: 6,000 of the test images were trained on",
}
BEST = "S2 and S4 watched the test set: the epoch is chosen by it"


class Claim(Section):
    """A published figure, [0, 1] or nats.

    A ``setting`` of the study repeats it, unless none can. With ``inconclusive``, a reason, there
    is no verdict.
    """

    source: Annotated[str, Field(pattern=r"^S[0-4]$")]
    network: str
    metric: Annotated[str, Field(pattern=f"^({'|'.join(METRICS)})$")]
    published: Annotated[float, Field(ge=0)]
    mistake: str
    setting: str | None = None
    inconclusive: str | None = None

    @model_validator(mode="after")
    def _has_either(self) -> Self:
        if not (self.setting or self.inconclusive):
            raise ValueError("expected setting, inconclusive or both, given neither")
        return self


class Claims(Section):
    """All of them."""

    claims: Annotated[list[Claim], Field(min_length=1)]


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Judge every claim by the runs that are there."""
    verdicts = [judge(claim, table) for claim in read(folder / "claims.yaml")]
    rows, priced = tabulate(verdicts), prices(study, table, folder)
    found = [
        {key: one[key] for key in ("mistake", "setting", "seeds")}
        | {"test accuracy, points": analysis.estimate(one, "+.3f")}
        for one in priced
    ]
    texts = {
        "tables.md": analysis.as_markdown(rows, left=list(map(str, rows))),
        "answer.md": answer(rows, priced),
        "prices.md": analysis.as_markdown(found, ("mistake", "setting")),
        "runs.md": analysis.analyse(study, table, folder).tables["tables.md"],
    }
    return Findings(verdicts, texts, {"verdicts.png": draw(verdicts)})


def read(path: Path) -> list[Claim]:
    """Return the claims of a YAML file."""
    return config.check(Claims, config.read_yaml(path), str(path)).claims


def judge(claim: Claim, runs: pd.DataFrame) -> dict[str, Any]:
    """Return the claim with its verdict.

    ``low`` and ``high`` are the ends of the interval that holds one more run with a probability
    of 95 % (Student's t, from mean, standard deviation and number of the seeds): the published
    figure is one run. Where the published one was measured on other images than ours, the interval
    has the standard deviation of the difference between two such draws too.
    """
    values = runs[claim.metric][runs["setting"] == claim.setting].dropna()
    found = predict(values, claim)
    verdict, reason = decide(claim, found, len(values))
    own = claim.model_dump(exclude={"inconclusive"})
    return own | found | {"seeds": len(values), "verdict": verdict, "reason": reason}


def prices(study: Study, runs: pd.DataFrame, folder: Path) -> list[dict[str, Any]]:
    """Return what each mistake adds to test accuracy on the same weights, for each setting of it.

    Each is a share: the mean over the seeds with its 95 % interval (Student's t), and p.
    """
    found = []
    for setting, own in study.settings.items():
        rows = runs[runs["setting"] == setting]
        gains = {
            mistake: (rows[f"{name}_accuracy"] - rows["test_accuracy"]).dropna()
            for name, mistake in MISTAKES.items()
            if name in (own.sets or study.sets)
        }
        if own.watch == "test":
            seeds = rows["seed"][rows["running_accuracy"].notna()]
            paths = [folder / f"runs/{setting}-all-{seed}.npz" for seed in seeds]
            gains[BEST] = pd.Series(map(best, paths), dtype=float)
        found += [
            {"mistake": mistake, "setting": setting, "seeds": len(gain)}
            | analysis.paired(gain.round(6))
            for mistake, gain in gains.items()
            if len(gain)
        ]
    return found


def best(path: Path) -> float:
    """Return how much higher the accuracy of the watched images was at its best than at the end."""
    with np.load(path) as kept:
        accuracies = kept["curves"][:, CURVES.index("dev_accuracy")]
    return float(accuracies.max() - accuracies[-1])


def predict(values: pd.Series, claim: Claim) -> dict[str, float | None]:
    """Return mean and standard deviation of the runs and the ends of the interval for one more."""
    mean, std = values.mean(), values.std()
    of_one_more, drawn = np.hypot(std, std / np.sqrt(len(values))), 0.0
    if claim.source == "S3" and claim.metric in IMAGES:  # the others measured on our images
        # Two draws of n out of N without replacement share n^2/N images by chance, which cancel
        # out: the difference between them has the variance 2 p (1 - p) / n (1 - n / N).
        count = IMAGES[claim.metric]
        drawn = np.sqrt(2 * mean * (1 - mean) / count * (1 - count / ALL))
    half = np.hypot(
        stats.t.ppf(0.975, len(values) - 1) * of_one_more, stats.norm.ppf(0.975) * drawn
    )
    high = mean + half if claim.metric.endswith("loss") else min(mean + half, 1)
    ends = {"low": analysis.rounded(mean - half), "high": analysis.rounded(high)}
    return analysis.mean_and_interval(values) | ends


def decide(claim: Claim, interval: dict[str, float | None], seeds: int) -> tuple[str, str | None]:
    """Return the verdict on a claim, and the reason where there is none."""
    low, high = interval["low"], interval["high"]
    if claim.inconclusive:
        return INCONCLUSIVE, claim.inconclusive
    if low is None or high is None:
        return INCONCLUSIVE, "one seed has no spread" if seeds else "not run yet"
    if low <= claim.published <= high:
        return CONSISTENT, None
    return "too high" if claim.published > high else "too low", None


def tabulate(verdicts: list[dict[str, Any]]) -> pd.DataFrame:
    """Return everything as text, a row for each claim."""
    return pd.DataFrame(
        {
            "source": one["source"],
            "network": one["network"],
            "figure": METRICS[one["metric"]],
            "published": text(one, "published"),
            "setting": one["setting"] or "-",
            "seeds": one["seeds"],
            "ours": pair(one, "mean", "±", "std"),
            "one more run, 95 %": pair(one, "low", "to", "high"),
            "verdict": one["verdict"],
            "why not": one["reason"] or "",
            "what was wrong": one["mistake"],
        }
        for one in verdicts
    )


def answer(rows: pd.DataFrame, priced: list[dict[str, Any]]) -> str:
    """Count the verdicts, and list what our runs contradict and the mistake worth most."""
    counts = rows["verdict"].value_counts()
    told = [
        f"- {one['source']}, {one['network']}, {one['figure'].removesuffix(', %')}: "
        f"{one['published']} is {one['verdict']}; one more run of ours gives "
        f"{one['one more run, 95 %']}"
        for one in rows.to_dict("records")
        if one["verdict"] not in (CONSISTENT, INCONCLUSIVE)
    ]
    count = (
        f"**{len(rows)} published figures: {counts.get(CONSISTENT, 0)} consistent with our runs, "
        f"{len(told)} not, {counts.get(INCONCLUSIVE, 0)} inconclusive.**"
    )
    if told:
        judged = len(told) + counts.get(CONSISTENT, 0)
        by_chance = analysis.percent(1 - 0.95**judged, ".0f")  # each is in a 95 % interval
        count += (
            f" If all {judged} judged figures were sound and independent, chance alone would put "
            f"at least one outside with a probability of {by_chance} %."
        )
    if priced:
        most = max(priced, key=lambda one: abs(one["mean"]))
        worth = f"{analysis.estimate(most, '+.2f')} points of test accuracy ({most['setting']})"
        told.append(f"- The mistake worth most: {most['mistake']}, {worth}")
    return "\n".join([count, "", *told])


def text(one: dict[str, Any], key: str) -> str:
    """Write a figure: accuracies in percent, losses in nats; a dash for none."""
    if one["metric"].endswith("loss"):
        return analysis.percent(one[key], ".4f", 1)
    return analysis.percent(one[key])


def pair(one: dict[str, Any], first: str, between: str, second: str) -> str:
    """Write two figures; one alone where the second is not known."""
    return text(one, first) + (f" {between} {text(one, second)}" if one[second] is not None else "")


def draw(verdicts: list[dict[str, Any]]) -> Figure:
    """Show the errors, published and ours, with the interval of one more run, and the verdict."""
    every = pd.DataFrame(verdicts)
    shown = every[every["metric"].str.endswith("accuracy") & every["mean"].notna()]
    errors = 100 * (1 - shown[["mean", "low", "high", "published"]].astype(float))
    measured = shown["metric"].map(METRICS).str.removesuffix(", %")
    names = shown["source"] + " " + shown["setting"] + ", " + measured
    figure, (axes,) = figures.rows(list(names), 10, 0.4, 1.5)
    rows = np.arange(len(shown))
    bar: Any = {"color": figures.COLOURS[0], "linewidth": 3, "alpha": 0.5}
    diamond: Any = {"markerfacecolor": "none", "markeredgecolor": figures.COLOURS[2]}
    axes.plot(errors[["high", "low"]].T, [rows, rows], **bar)
    axes.plot(errors["mean"], rows, "o", color=figures.COLOURS[0], label="mean of our seeds")
    axes.plot([], [], label="one more run, 95 %", **bar)
    axes.plot(errors["published"], rows, "D", markersize=8, **diamond)
    axes.plot([], [], "D", label="published", **diamond)
    for row, verdict in enumerate(shown["verdict"]):
        axes.annotate(verdict, (1.01, row), xycoords=("axes fraction", "data"), va="center")
    axes.set_xlim(left=-0.03)
    fine = (shown["verdict"] == CONSISTENT).sum()
    title = f"{fine} of {len(shown)} published accuracies are consistent with our runs"
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("error, % of images (the verdict is on the accuracy)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
