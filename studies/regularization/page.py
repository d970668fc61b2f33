"""What the page says and shows of the study: text, tables and pictures of its summary."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from digits.evaluation import figures
from studies import analysis
from studies.analysis import SIGNIFICANT, Findings, as_markdown

SHORT = "short_"
NAMES = {
    "augmentation": "augmentation",
    "l2": "L2",
    "dropout": "dropout",
    "batch_norm": "BatchNorm",
    "plateau": "falling learning rate",
}
# The outcomes, and what their effects are in: percent of the outcome, or percentage points.
OUTCOMES = {
    "test_error": ("test error", "%"),
    "test_loss": ("test cross-entropy", "%"),
    "train_error": ("train error", "points"),
    "gap": ("test - train error", "points"),
    "test_error_points": ("test error", "points"),
}
DECOMPOSED = {"brier_variance": "variance", "brier_bias": "bias"}
EQUIVALENT = 0.0005  # a test error that differs by less is the same, as study.yaml has it
POWER = 0.8


def findings(described: dict[str, Any]) -> Findings:
    """Return the texts, tables and pictures of what `analysis.describe` returns."""
    texts = {
        "answer.md": answer(described),
        "tables.md": effects_table(described),
        "decomposition.md": decomposition_table(described),
        "interactions.md": effects_table(described, order=2),
        "settings.md": settings_table(described),
        "additions.md": additions_table(described),
        "checks.md": checks(described),
    }
    drawn = {
        "effects.png": draw_effects(described),
        "interactions.png": draw_interactions(described),
    }
    return Findings(described, texts, drawn)


def of(described: dict[str, Any], outcome: str, order: int = 1) -> list[dict[str, Any]]:
    """Return the effects on an outcome, the largest first."""
    every = described["effects"]
    found = [one for one in every if one["outcome"] == outcome and one["order"] == order]
    return sorted(found, key=lambda one: -abs(one["effect"]))


def named(term: str) -> str:
    """Return a factor's name in a text, or two of them."""
    return " x ".join(NAMES[factor] for factor in term.split(":"))


def p_value(p: float) -> str:
    """Write a p-value."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def answer(described: dict[str, Any]) -> str:
    """Answer the question in a sentence, and say in one for each factor what it rests on."""
    found = of(described, "test_error")
    clear = [one for one in found if one["p_corrected"] < SIGNIFICANT]
    parts = []
    for verb, group in (
        ("lowers", [one for one in clear if one["effect"] < 0]),
        ("raises", [one for one in clear if one["effect"] > 0]),
    ):
        found_so = [f"{named(one['term'])} (by {100 * abs(one['effect']):.0f} %)" for one in group]
        if found_so:
            verb = verb if len(found_so) == 1 else verb[:-1]
            parts.append(f"{listed(found_so)} {verb} the test error")
    rest = [named(one["term"]) for one in found if one not in clear]
    if rest:
        parts.append(f"{listed(rest)} {'has' if len(rest) == 1 else 'have'} no significant effect")
    text = "; ".join(parts)
    lines = [f"**{text[0].upper()}{text[1:]}.**", "Change of the test error with each:", ""]
    points = {one["term"]: one for one in of(described, "test_error_points")}
    for one in found:
        absolute = points[one["term"]]
        low, high = 100 * absolute["low"], 100 * absolute["high"]
        line = f"not significant ({p_value(one['p_corrected'])}), {low:+.2f} to {high:+.2f} points"
        if one in clear:
            line = (
                f"{100 * one['effect']:+.0f} % "
                f"[{100 * one['low']:+.0f}, {100 * one['high']:+.0f}], "
                f"{100 * absolute['effect']:+.2f} points [{low:+.2f}, {high:+.2f}], "
                f"{p_value(one['p_corrected'])}"
            )
        lines.append(f"- {named(one['term'])}: {line}")
    samples = described["settings"][0]["blocks"]
    lines += ["", f"{described['trainings']} trainings: every combination on {samples} samples."]
    return "\n".join(lines)


def listed(names: Sequence[str]) -> str:
    """Write names as a list in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def percent_of(one: dict[str, Any], outcome: str) -> str:
    """Write an effect with its interval, in percent of the outcome or in points."""
    digits = 1 if OUTCOMES[outcome][1] == "%" else 2
    effect, low, high = (f"{100 * one[key]:+.{digits}f}" for key in ("effect", "low", "high"))
    star = "*" if one["p_corrected"] < SIGNIFICANT else ""
    return f"{effect} [{low}, {high}]{star}"


def effects_table(described: dict[str, Any], order: int = 1) -> str:
    """Write the effects on all outcomes, the largest on test error first."""
    by_term: dict[str, dict[str, str]] = {}
    for one in of(described, "test_error", order):
        by_term[one["term"]] = {"with it": named(one["term"]), "p": p_value(one["p_corrected"])}
    for outcome, (name, unit) in OUTCOMES.items():
        for one in of(described, outcome, order):
            by_term[one["term"]][f"{name}, {unit}"] = percent_of(one, outcome)
    return as_markdown(pd.DataFrame(by_term.values()), ("with it",))


def settings_table(described: dict[str, Any]) -> str:
    """Write every setting, the one with the lowest test error first."""
    rows = []
    for one in sorted(described["settings"], key=lambda one: one["test_error_points"]["mean"]):
        present = one["setting"].removeprefix(SHORT).replace("none", "")
        measured = {
            f"{OUTCOMES[kind][0]}, %": analysis.mean_and_std(one[kind])
            for kind in ("test_error_points", "train_error", "gap")
        }
        rows.append(
            {name: "x" if factor[0] in present else "" for factor, name in NAMES.items()}
            | measured
            | {
                "Brier bias": f"{one['brier_bias']:.4f}",
                "Brier variance": f"{one['brier_variance']:.4f}",
            }
        )
    return as_markdown(pd.DataFrame(rows))


def additions_table(described: dict[str, Any]) -> str:
    """Write what one more kind of regularization adds to the whole recipe."""
    rows = [
        {
            "added": one["setting"].replace("_", " "),
            "blocks": one["blocks"],
            "test error, %": percent_of(one, "test_error"),
            "test error, points": f"{100 * one['points']:+.2f}",
            "p": p_value(one["p_corrected"]),
        }
        for one in described["additions"]
    ]
    return as_markdown(pd.DataFrame(rows), ("added",)) if rows else "The runs are still to be made."


def decomposition_table(described: dict[str, Any]) -> str:
    """Write what every factor does to bias and variance of the Brier score, in thousandths."""
    rows: dict[str, dict[str, str]] = {}
    for outcome, name in DECOMPOSED.items():
        for one in of(described, outcome):
            row = rows.setdefault(one["term"], {"with it": named(one["term"])})
            effect, low, high = (f"{1000 * one[key]:+.2f}" for key in ("effect", "low", "high"))
            star = "*" if one["p_corrected"] < SIGNIFICANT else ""
            row[f"{name}, thousandths"] = f"{effect} [{low}, {high}]{star}"
    return as_markdown(pd.DataFrame(rows.values()), ("with it",))


def checks(described: dict[str, Any]) -> str:
    """Write how far to trust the effects, an item for each check."""
    points = of(described, "test_error_points")
    half = max((one["high"] - one["low"]) / 2 for one in points)
    left = described["residual_degrees_of_freedom"]
    found = (stats.t.ppf(0.975, left) + stats.t.ppf(POWER, left)) * max(one["se"] for one in points)
    same = described["equivalence"]
    verdict = "equivalent to none" if same["equivalent"] else "not shown to be equivalent to none"
    whole = {one["term"]: one for one in of(described, "test_error")}
    least = pd.DataFrame(described["without_a_block"]).groupby("term")["effect"]
    ranges = [
        f"{named(str(term))} {100 * effects.min():+.1f} to {100 * effects.max():+.1f} %"
        for term, effects in least
    ]
    lines = [
        f"**Power**: the 95 % intervals of main effects on test error are at most "
        f"± {100 * half:.2f} points wide; an effect of {100 * found:.2f} points is found with a "
        f"probability of {100 * POWER:.0f} %.",
        f"**Equivalence**: {named(same['factor'])} is {verdict}: the 90 % interval of its effect "
        f"is {100 * same['low']:+.3f} to {100 * same['high']:+.3f} points, the margin "
        f"± {100 * EQUIVALENT:.2f}.",
        "**Other images and blocks** (bootstrap, test error in points): "
        + "; ".join(
            f"{named(one['term'])} {100 * one['low']:+.2f} to {100 * one['high']:+.2f}"
            for one in described["bootstrap"]
        )
        + ".",
        f"**Each block left out in turn** (effect on test error): {'; '.join(ranges)}.",
    ]
    longer = "; ".join(
        f"{named(one['term'])} {100 * one['effect']:+.0f} % "
        f"[{100 * one['low']:+.0f}, {100 * one['high']:+.0f}], "
        f"{100 * whole[one['term']]['effect']:+.0f} % after 15 epochs"
        for one in described["long"]
    )
    if longer:
        lines.append(f"**30 epochs** (16 settings, one block; effect on test error): {longer}.")
    return "\n".join(f"- {line}" for line in lines)


def draw_effects(described: dict[str, Any]) -> Figure:
    """Show what every factor does to test error, train error and the gap between them."""
    shown = ("test_error", "train_error", "gap")
    order = [one["term"] for one in of(described, "test_error")]
    figure = Figure(figsize=(10, 0.42 * len(order) + 1.6), layout="constrained")
    for axes, outcome in zip(figure.subplots(1, len(shown), sharey=True), shown, strict=True):
        _forest(axes, of(described, outcome), order)
        name, unit = OUTCOMES[outcome]
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(f"change, {'% of it' if unit == '%' else 'percentage points'}")
    figure.supxlabel(
        "left of 0: lower with it; bars: 95 % intervals; filled: significant", fontsize=9
    )
    return figure


def draw_interactions(described: dict[str, Any]) -> Figure:
    """Show what every two factors do together to the test error."""
    found = of(described, "test_error", order=2)
    figure = Figure(figsize=(7, 0.36 * len(found) + 1.3), layout="constrained")
    axes = figure.subplots()
    _forest(axes, found, [one["term"] for one in found])
    axes.set_xlabel("interaction, % of the test error")
    return figure


def _forest(axes: Axes, found: list[dict[str, Any]], order: list[str]) -> None:
    """Draw effects with their intervals, in percent, a row for each term."""
    for one in found:
        clear = one["p_corrected"] < SIGNIFICANT
        colour = figures.COLOURS[0] if clear else "grey"
        row, effect = order.index(one["term"]), 100 * one["effect"]
        axes.plot([100 * one["low"], 100 * one["high"]], [row, row], color=colour, linewidth=2)
        axes.plot(effect, row, "o", color=colour, markerfacecolor=colour if clear else "white")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(order)), [named(term) for term in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
