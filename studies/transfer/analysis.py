"""Does a pretrained backbone help, and does unfreezing it? ResNet-34, several seeds of each."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from digits.evaluation import figures
from studies import analysis
from studies.analysis import Findings, interval
from studies.study import Study

SETS = {"dev": "dev", "test": "test", "small": "small, off-centre"}
NAMES = {
    ("letters", 1): "letters, backbone frozen",
    ("letters", 2): "letters, then unfrozen",
    ("scratch", 1): "from scratch",
}
FROZEN, UNFROZEN, SCRATCH = NAMES.values()
PAIRS = ((UNFROZEN, FROZEN), (UNFROZEN, SCRATCH))


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Compare the states of the network: setting and phase."""
    keys = zip(table["setting"], table["phase"], strict=True)
    rows = table.assign(state=[NAMES[key] for key in keys])
    summary = {"states": describe(rows), "differences": compare(rows)}
    return Findings(summary, {"tables.md": markdown(summary)}, {"errors.png": draw(rows)})


def describe(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mean, std and interval over the seeds of the accuracy on each set."""
    return [
        {
            "state": name,
            "seeds": len(rows),
            **{
                kind: analysis.mean_and_interval(rows[f"{kind}_accuracy"].to_numpy())
                for kind in SETS
            },
        }
        for name in NAMES.values()
        if len(rows := table[table["state"] == name])
    ]


def compare(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return for two pairs of states the mean difference of the accuracies, paired by seed."""
    found = []
    for first, second in PAIRS:
        for kind in SETS:
            wide = table.pivot(index="seed", columns="state", values=f"{kind}_accuracy")
            wide = wide.reindex(columns=[first, second])
            gain = (wide[first] - wide[second]).dropna()
            paired = analysis.paired(gain.round(6).to_numpy())
            found.append({"better": first, "than": second, "set": kind, **paired})
    return found


def markdown(summary: dict[str, Any]) -> str:
    """Write the summary as two tables."""
    states = pd.DataFrame(
        {
            "network": state["state"],
            "seeds": state["seeds"],
            **{f"{SETS[kind]}, %": analysis.mean_and_std(state[kind]) for kind in SETS},
        }
        for state in summary["states"]
    )
    differences = pd.DataFrame(
        {
            "difference": f"{one['better']} - {one['than']}",
            "on": SETS[one["set"]],
            "percentage points": analysis.percent(one["mean"], "+"),
            "95 % interval": interval(one, "+"),
        }
        for one in summary["differences"]
    )
    left = ["network", "difference", "on"]
    return f"{analysis.as_markdown(states, left)}\n\n{analysis.as_markdown(differences, left)}"


def draw(table: pd.DataFrame) -> Figure:
    """Show the error of each training on each set, and the mean of each state."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, len(SETS), sharey=True)
    for panel, (kind, title) in zip(panels, SETS.items(), strict=True):
        errors = 100 * (1 - table[f"{kind}_accuracy"])
        for row, name in enumerate(NAMES.values()):
            of_state = errors[table["state"] == name]
            colour = figures.COLOURS[row]
            panel.plot(of_state, [row] * len(of_state), "o", color=colour, alpha=0.6)
            panel.plot([of_state.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
        panel.set(title=title, xlabel="error, %")
        panel.set_xlim(0, 1.08 * errors.max())
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(NAMES)), list(NAMES.values()))
    panels[0].set_ylim(len(NAMES) - 0.5, -0.5)
    return figure
