"""What the page says and shows of the study: text, tables and pictures of its summary."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from digits.evaluation import figures
from studies import analysis, pictures
from studies.analysis import Findings, as_markdown, estimate, interval, percent, star

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
MEASURED = ["test_error_points", "train_error", "gap"]  # of each setting
DECOMPOSED = {
    "brier_variance": ("variance", "thousandths"),
    "brier_bias": ("bias", "thousandths"),
}
UNITS = {"%": ("+.1f", 100), "points": ("+.2f", 100), "thousandths": ("+.2f", 1000)}
EQUIVALENT = 0.0005  # a test error that differs by less is the same, as study.yaml has it
POWER = 0.8


def findings(described: dict[str, Any]) -> Findings:
    """Return the texts, tables and pictures of what `analysis.describe` returns."""
    texts = {
        "answer.md": answer(described),
        "tables.md": effects_table(described),
        "falling.md": effects_table({"effects": described["falling"]}),
        "decomposition.md": effects_table(described, DECOMPOSED),
        "interactions.md": effects_table(described, order=2),
        "settings.md": settings_table(described),
        "additions.md": additions_table(described),
        "checks.md": checks(described),
    }
    effects, interactions = draw_effects(described), draw_interactions(described)
    return Findings(described, texts, {"effects.png": effects, "interactions.png": interactions})


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


def to(one: dict[str, Any], form: str = "+.2f") -> str:
    """Write an interval in percent, in a text."""
    return f"{percent(one['low'], form)} to {percent(one['high'], form)}"


def answer(described: dict[str, Any]) -> str:
    """Answer the question in a sentence, and in a table of what it rests on."""
    points = {one["term"]: one for one in of(described, "test_error_points")}
    lower, higher, without = (list[str]() for _ in range(3))
    rows = []
    for one in of(described, "test_error"):
        name = named(one["term"])
        if star(one):
            size = f"{name} (by {100 * abs(one['effect']):.0f} %)"
            (lower if one["effect"] < 0 else higher).append(size)
        else:
            without.append(name)
        rows.append(
            {
                "with it": name,
                "change of test error, %": estimate(one, "+.0f", "effect"),
                "in points": estimate(points[one["term"]], "+.2f", "effect"),
                "p": p_value(one["p_corrected"]).removeprefix("p ").removeprefix("= "),
                "significant": "yes" if star(one) else "no",
            }
        )
    parts = [
        f"{listed(names)} {verb if len(names) == 1 else plural} {what}"
        for names, verb, plural, what in (
            (lower, "lowers", "lower", "the test error"),
            (higher, "raises", "raise", "the test error"),
            (without, "has", "have", "no significant effect"),
        )
        if names
    ]
    text = "; ".join(parts)
    samples = described["settings"][0]["blocks"]
    return (
        f"**{text[0].upper()}{text[1:]}.**\n\n{as_markdown(rows, ('with it',))}\n\n"
        f"{described['trainings']} trainings: every combination on {samples} samples."
    )


def listed(names: Sequence[str]) -> str:
    """Write names as a list in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def effects_table(
    described: dict[str, Any], outcomes: dict[str, tuple[str, str]] = OUTCOMES, order: int = 1
) -> str:
    """Write the effects on all outcomes, the largest on the first of them first."""
    rows: dict[str, dict[str, str]] = {}
    for outcome, (name, unit) in outcomes.items():
        for one in of(described, outcome, order):
            row = rows.setdefault(one["term"], {"with it": named(one["term"])})
            if outcome == "test_error":
                row["p"] = p_value(one["p_corrected"])
            row[f"{name}, {unit}"] = effect(one, unit)
    return as_markdown(rows.values(), ("with it",))


def effect(one: dict[str, Any], unit: str) -> str:
    """Write an effect with its interval in one of `UNITS`."""
    form, scale = UNITS[unit]
    return estimate(one, form, "effect", scale) + star(one)


def settings_table(described: dict[str, Any]) -> str:
    """Write every setting, the one with the lowest test error first."""
    rows = []
    for one in sorted(described["settings"], key=lambda one: one["test_error_points"]["mean"]):
        present = one["setting"].removeprefix(SHORT).replace("none", "")
        rows.append(
            {name: "x" if factor[0] in present else "" for factor, name in NAMES.items()}
            | {f"{OUTCOMES[kind][0]}, %": analysis.mean_and_std(one[kind]) for kind in MEASURED}
            | {f"Brier {kind}": f"{one[f'brier_{kind}']:.4f}" for kind in ("bias", "variance")}
        )
    return as_markdown(rows)


def additions_table(described: dict[str, Any]) -> str:
    """Write what one more kind of regularization adds to the whole recipe."""
    rows = [
        {
            "added": one["setting"].replace("_", " "),
            "blocks": one["blocks"],
            "test error, %": effect(one, "%"),
            "test error, points": percent(one["points"], "+.2f"),
            "p": p_value(one["p_corrected"]),
        }
        for one in described["additions"]
    ]
    return as_markdown(rows, ("added",))


def checks(described: dict[str, Any]) -> str:
    """Write how far to trust the effects, an item for each check."""
    points = of(described, "test_error_points")
    half = max((one["high"] - one["low"]) / 2 for one in points)
    left = described["residual_degrees_of_freedom"]
    # At the first step of Holm's correction.
    level = 1 - 0.025 / len(points)
    found = (stats.t.ppf(level, left) + stats.t.ppf(POWER, left)) * max(one["se"] for one in points)
    same = described["equivalence"]
    verdict = "equivalent to none" if same["equivalent"] else "not shown to be equivalent to none"
    whole = {one["term"]: one["effect"] for one in of(described, "test_error")}
    least = pd.DataFrame(described["without_a_block"]).groupby("term")["effect"]
    bootstrap = "; ".join(f"{named(one['term'])} {to(one)}" for one in described["bootstrap"])
    ranges = "; ".join(
        f"{named(str(term))} {to({'low': one.min(), 'high': one.max()}, '+.1f')} %"
        for term, one in least
    )
    longer = "; ".join(
        f"{named(one['term'])} {percent(one['effect'], '+.0f')} % {interval(one, '+.0f')}, "
        f"{percent(whole[one['term']], '+.0f')} % after 15 epochs"
        for one in described["long"]
    )
    lines = [
        f"**Power**: the 95 % intervals of main effects on test error are at most "
        f"± {100 * half:.2f} points wide; an effect of {100 * found:.2f} points is found with a "
        f"probability of {100 * POWER:.0f} %.",
        f"**Equivalence**: {named(same['factor'])} is {verdict}: the 90 % interval of its effect "
        f"is {to(same, '+.3f')} points, the margin ± {100 * EQUIVALENT:.2f}.",
        f"**Other images and blocks** (bootstrap, test error in points): {bootstrap}.",
        f"**Each block left out in turn** (effect on test error): {ranges}.",
    ]
    if longer:
        lines.append(f"**30 epochs** (16 settings, one block; effect on test error): {longer}.")
    return "\n".join(f"- {line}" for line in lines)


def draw_effects(described: dict[str, Any]) -> Figure:
    """Show what every factor does to test error, train error and the gap between them."""
    shown = ("test_error", "train_error", "gap")
    order = [one["term"] for one in of(described, "test_error")]
    figure, panels = pictures.rows(list(map(named, order)), 10, 0.42, 1.6, len(shown))
    for axes, outcome in zip(panels, shown, strict=True):
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
    order = [one["term"] for one in found]
    figure, (axes,) = pictures.rows(list(map(named, order)), 7, 0.36, 1.3)
    _forest(axes, found, order)
    axes.set_xlabel("interaction, % of the test error")
    return figure


def _forest(axes: Axes, found: list[dict[str, Any]], order: list[str]) -> None:
    """Draw effects with their intervals, in percent, a row for each term."""
    for one in found:
        colour, filling = (figures.COLOURS[0],) * 2 if star(one) else ("grey", "white")
        row, effect = order.index(one["term"]), 100 * one["effect"]
        axes.plot([100 * one["low"], 100 * one["high"]], [row, row], color=colour, linewidth=2)
        axes.plot(effect, row, "o", color=colour, markerfacecolor=filling)
    axes.axvline(0, color="black", linewidth=0.8)
