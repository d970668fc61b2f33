"""What the page says and shows of the study: text, tables and pictures of its summary."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from digits.evaluation import figures
from studies import analysis
from studies.analysis import Findings, as_markdown, estimate, interval, p_value, percent, star

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
DECOMPOSED = {"brier_variance": ("Brier variance", "%"), "brier_bias": ("Brier bias", "%")}
DIGITS = {"%": "+.1f", "points": "+.2f"}
EQUIVALENT = 0.0005  # a test error that differs by less is the same, as study.yaml has it
POWER = 0.8
LEGEND = "bars: 95 % intervals; filled: significant after correction"


def findings(described: dict[str, Any]) -> Findings:
    """Return the texts, tables and pictures of what `analysis.describe` returns."""
    tables = {
        "answer.md": answer(described),
        "short.md": short(described),
        "tables.md": effects_table(described),
        "falling.md": rates_table(described["rates"]),
        "decomposition.md": decomposition_table(described),
        "interactions.md": effects_table(described, order=2),
        "settings.md": settings_table(described),
        "additions.md": additions_table(described),
        "checks.md": checks(described),
    }
    effects, interactions = draw_effects(described), draw_interactions(described)
    return Findings(described, tables, {"effects.png": effects, "interactions.png": interactions})


def of(described: dict[str, Any], outcome: str, order: int = 1) -> dict[str, dict[str, Any]]:
    """Return the effects on an outcome by term, the largest first."""
    every = described["effects"]
    found = [one for one in every if one["outcome"] == outcome and one["order"] == order]
    return {one["term"]: one for one in sorted(found, key=lambda one: -abs(one["effect"]))}


def named(term: str) -> str:
    """Return the name of a factor or an addition in a text, or of two."""
    return " x ".join(NAMES.get(one, one.replace("_", " ")) for one in term.split(":"))


def to(one: dict[str, Any], form: str = "+.2f") -> str:
    """Write an interval in percent, in a text."""
    return f"{percent(one['low'], form)} to {percent(one['high'], form)}"


def answer(described: dict[str, Any]) -> str:
    """Answer the question in a sentence, and in a table of what it rests on."""
    found, points = of(described, "test_error"), of(described, "test_error_points")
    falling = of(described["rates"]["falling"], "test_error")
    rows = [
        {
            "with it": named(term),
            "change of test error, %": effect(one, "+.0f"),
            "in points": effect(points[term], "+.2f"),
            "p": p_value(one["p_corrected"]).removeprefix("p ").removeprefix("= "),
            "with a falling rate, %": effect(falling[term], "+.0f") if term in falling else "",
        }
        for term, one in found.items()
    ]
    excluded = [
        f"{percent(-one['low'], '.0f')} % ({named(term)})"
        for term, one in found.items()
        if not star(one)
    ]
    text = (
        f"**{in_words(found)}**\n\n{as_markdown(rows, ('with it',))}\n\n"
        f"{described['trainings']} trainings: every combination on "
        f"{described['settings'][0]['blocks']} samples. A star: p < {analysis.SIGNIFICANT}."
    )
    return f"{text} Excluded: a reduction by more than {listed(excluded)}." if excluded else text


def short(described: dict[str, Any]) -> str:
    """Say in a sentence each what holds with a falling rate, and for variance and bias."""
    among = {
        "With a falling rate, as is usual": of(described["rates"]["falling"], "test_error"),
        "Variance": of(described, "brier_variance"),
        "Bias": of(described, "brier_bias"),
    }
    whats = "the test error", "the Brier variance", "the Brier bias"
    told = zip(among.items(), whats, strict=True)
    return "\n".join(f"- **{name}**: {in_words(found, what)}" for (name, found), what in told)


def in_words(found: dict[str, dict[str, Any]], what: str = "the test error") -> str:
    """Say in a sentence which terms lower and which raise something."""
    lower, higher, without = (list[str]() for _ in range(3))
    for term, one in found.items():
        name = named(term)
        if star(one):
            size = f"{name} (by {percent(abs(one['effect']), '.0f')} %)"
            (lower if one["effect"] < 0 else higher).append(size)
        else:
            without.append(name)
    parts = [
        f"{listed(names)} {verb if len(names) == 1 else plural} {what}"
        for names, verb, plural, what in (
            (lower, "lowers", "lower", what),
            (higher, "raises", "raise", what),
            (without, "has", "have", "no significant effect on it"),
        )
        if names
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def listed(names: Sequence[str]) -> str:
    """Write names as a list in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def effects_table(described: dict[str, Any], order: int = 1) -> str:
    """Write the effects on all outcomes, the largest on the first of them first."""
    rows: dict[str, dict[str, str]] = {}
    for outcome, (name, unit) in OUTCOMES.items():
        for term, one in of(described, outcome, order).items():
            row = rows.setdefault(term, {"with it": named(term)})
            if outcome == "test_error":
                row["p"] = p_value(one["p_corrected"])
            row[f"{name}, {unit}"] = effect(one, DIGITS[unit])
    return as_markdown(rows.values(), ("with it",))


def rates_table(rates: dict[str, Any]) -> str:
    """Write how much runs differ at both rates, and the effects at each."""
    falling, constant = rates["falling"], rates["constant"]
    table = effects_table(falling)
    return (
        f"The SD of the test error between samples is {percent(constant['std'])} points at a "
        f"constant rate, {percent(falling['std'])} where it falls. Where it falls:\n\n{table}\n\n"
        f"At a constant rate:\n\n{effects_table(constant)}"
    )


def decomposition_table(described: dict[str, Any]) -> str:
    """Write the effects on the gap, with what they say of the article, and on the Brier parts."""
    falling = described["rates"]["falling"]
    rows = []
    for term, gap in of(described, "gap").items():
        verdict = "inconclusive"
        if star(gap):
            verdict = "consistent" if gap["effect"] < 0 else "contradicted"
        row = {
            "with it": named(term),
            "test - train error, points": effect(gap, "+.2f"),
            "a smaller gap, says the article": verdict,
        }
        for outcome, (name, unit) in DECOMPOSED.items():
            for among, where in ((described, ""), (falling, ", falling rate")):
                found = of(among, outcome).get(term)
                row[f"{name}{where}, {unit}"] = effect(found, "+.0f") if found else ""
        rows.append(row)
    return as_markdown(rows, ("with it", "a smaller gap, says the article"))


def effect(one: dict[str, Any], form: str) -> str:
    """Write an effect with its interval, in percent or percentage points."""
    return estimate(one, form, "effect") + star(one)


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
            "added": named(one["setting"]),
            "samples": one["blocks"],
            "test error, %": effect(one, "+.1f"),
            "test error, points": percent(one["points"], "+.2f"),
            "p": p_value(one["p_corrected"]),
        }
        for one in described["additions"]
    ]
    if not rows:
        return "The runs are still to be made."
    words = in_words({one["setting"]: one for one in described["additions"]})
    return f"**{words}**\n\n{as_markdown(rows, ('added',))}"


def checks(described: dict[str, Any]) -> str:
    """Write how far to trust the effects, an item for each check."""
    points = of(described, "test_error_points").values()
    falling = described["rates"]["falling"]
    half, least = (
        max((one["high"] - one["low"]) / 2 for one in among)
        for among in (points, of(falling, "test_error_points").values())
    )
    left = described["residual_degrees_of_freedom"]
    # At the first step of Holm's correction.
    level = 1 - 0.025 / len(points)
    found = (stats.t.ppf(level, left) + stats.t.ppf(POWER, left)) * max(one["se"] for one in points)
    same = described["equivalence"]
    verdict = "equivalent to none" if same["equivalent"] else "not shown to be equivalent to none"
    if half > EQUIVALENT:
        verdict += ", nor could it be with intervals as wide as these"
    whole = of(described, "test_error")
    without = pd.DataFrame(described["without_a_block"]).groupby("term")["effect"]
    drawn, drawn_falling = (
        "; ".join(f"{named(one['term'])} {to(one)}" for one in among["bootstrap"])
        for among in (described, falling)
    )
    ranges = "; ".join(
        f"{named(str(term))} {to({'low': one.min(), 'high': one.max()}, '+.1f')} %"
        for term, one in without
    )
    longer = "; ".join(
        f"{named(one['term'])} {percent(one['effect'], '+.0f')} % {interval(one, '+.0f')}, "
        f"{percent(whole[one['term']]['effect'], '+.0f')} % after 15 epochs"
        for one in described["long"]
    )
    lines = [
        f"**Power**: the 95 % intervals of the effects on test error are up to ± "
        f"{percent(half)} points wide, with a falling rate up to ± {percent(least)}. An effect of "
        f"{percent(found)} points is found with a probability of {percent(POWER, '.0f')} %.",
        f"**Equivalence**: {named(same['factor'])} is {verdict}. The 90 % interval of its effect "
        f"is {to(same, '+.3f')} points, the margin ± {percent(EQUIVALENT)}.",
        f"**Other samples and test images** (bootstrap, test error in points): {drawn}.",
        f"**The same with a falling rate**: {drawn_falling}.",
        f"**Each sample left out in turn** (effect on test error): {ranges}.",
    ]
    if longer:
        lines.append(f"**30 epochs** (16 settings, one sample; effect on test error): {longer}.")
    return "\n".join(f"- {line}" for line in lines)


def draw_effects(described: dict[str, Any]) -> Figure:
    """Show what every factor does to test error, train error and the gap between them."""
    found = of(described, "test_error")
    order = list(found)
    figure, panels = figures.rows([*map(named, order)], 10, 0.42, 1.9, len(MEASURED), sharex=True)
    for axes, outcome in zip(panels, MEASURED, strict=True):
        for one in described["by_block"]:
            row = order.index(one["term"]) + 0.25
            axes.plot(100 * one[outcome], row, ".", color="grey", markersize=4)
        _forest(axes, of(described, outcome), order)
        axes.set_title(OUTCOMES[outcome][0], fontsize=11)
        axes.set_xlabel("change, percentage points")
    title = in_words(found).removesuffix(".").replace("; ", ";\n")
    figure.suptitle(title, fontsize=11, wrap=True)
    figure.supxlabel(f"left of 0: lower with it; dots: one sample each; {LEGEND}", fontsize=9)
    return figure


def draw_interactions(described: dict[str, Any]) -> Figure:
    """Show what every two factors do together to the test error."""
    found = of(described, "test_error", order=2)
    order = list(found)
    figure, (axes,) = figures.rows([*map(named, order)], 7, 0.36, 1.5)
    _forest(axes, found, order)
    axes.set_xlabel("interaction, % of the test error")
    names = [named(term) for term in order if star(found[term])]
    title = f"Interact significantly: {'; '.join(names) or 'no two'}"
    figure.suptitle(title, fontsize=11, wrap=True)
    figure.supxlabel(LEGEND, fontsize=9)
    return figure


def _forest(axes: Axes, found: dict[str, dict[str, Any]], order: list[str]) -> None:
    """Draw effects with their intervals, in percent, a row for each term."""
    for term, one in found.items():
        colour, filling = (figures.COLOURS[0],) * 2 if star(one) else ("grey", "white")
        row, effect = order.index(term), 100 * one["effect"]
        axes.plot([100 * one["low"], 100 * one["high"]], [row, row], color=colour, linewidth=2)
        axes.plot(effect, row, "o", color=colour, markerfacecolor=filling)
    axes.axvline(0, color="black", linewidth=0.8)
