"""Does a pretrained backbone help, and does unfreezing it? ResNet-34, several seeds of each."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from digits.evaluation import figures
from studies import analysis, pictures
from studies.analysis import Findings
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
    """Compare the states of the network, setting and phase, by their accuracy on each set."""
    states = [NAMES[key] for key in zip(table["setting"], table["phase"], strict=True)]
    accuracies = {kind: table[f"{kind}_accuracy"] for kind in SETS}
    rows = table.assign(setting=states, **accuracies)
    described = analysis.describe(rows, PAIRS, list(SETS), list(SETS))
    summary = {
        "states": [renamed(one, setting="state") for one in described["settings"]],
        "differences": [
            renamed(one, setting="better", base="than", metric="set")
            for one in described["differences"]
        ],
    }
    return Findings(summary, {"tables.md": markdown(summary)}, {"errors.png": draw(rows)})


def renamed(one: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return a part of `analysis.describe` under the names of this study, without the rest."""
    left_out = ("images", "p_corrected")
    return {names.get(key, key): value for key, value in one.items() if key not in left_out}


def markdown(summary: dict[str, Any]) -> str:
    """Write the summary as two tables."""
    states = [
        {"network": state["state"], "seeds": state["seeds"]}
        | {f"{SETS[kind]}, %": analysis.mean_and_std(state[kind]) for kind in SETS}
        for state in summary["states"]
    ]
    differences = [
        {
            "difference": f"{one['better']} - {one['than']}",
            "on": SETS[one["set"]],
            "percentage points": analysis.percent(one["mean"], "+.2f"),
            "95 % interval": analysis.interval(one, "+.2f"),
        }
        for one in summary["differences"]
    ]
    left = ["network", "difference", "on"]
    return "\n\n".join(analysis.as_markdown(rows, left) for rows in (states, differences))


def draw(table: pd.DataFrame) -> Figure:
    """Show the error of each training on each set, and the mean of each state."""
    figure, panels = pictures.rows(list(NAMES.values()), 9, 0, 3.8, len(SETS))
    for panel, (kind, title) in zip(panels, SETS.items(), strict=True):
        errors = 100 * (1 - table[kind])
        for row, name in enumerate(NAMES.values()):
            of_state, colour = errors[table["setting"] == name], figures.COLOURS[row]
            panel.plot(of_state, [row] * len(of_state), "o", color=colour, alpha=0.6)
            panel.plot([of_state.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
        panel.set(title=title, xlabel="error, %")
        panel.set_xlim(0, 1.08 * errors.max())
    return figure
