"""Does a pretrained backbone help, and does unfreezing it? ResNet-34, several seeds of each."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from digits.evaluation import figures
from studies import analysis
from studies.analysis import Findings
from studies.study import Study

SETS = {
    "dev_accuracy": "dev, %",
    "test_accuracy": "test, %",
    "small_accuracy": "small, off-centre, %",
    "strokes_accuracy": "pen strokes, %",
}
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
    rows = table.assign(setting=states)
    frozen = rows[rows["setting"] == FROZEN]  # from scratch, pen strokes are not classified
    sets = {kind: title for kind, title in SETS.items() if frozen[kind].notna().all()}
    described = analysis.describe(rows, PAIRS, sets, list(sets))
    tables = {"tables.md": analysis.markdown(described, sets)}
    return Findings(described, tables, {"errors.png": draw(rows, sets)})


def draw(table: pd.DataFrame, sets: Mapping[str, str]) -> Figure:
    """Show the error of each training on each set, and the mean of each state."""
    figure, panels = figures.rows(list(NAMES.values()), 11, 0, 3.8, len(sets))
    for panel, (kind, title) in zip(panels, sets.items(), strict=True):
        errors = 100 * (1 - table[kind])
        for row, name in enumerate(NAMES.values()):
            of_state, colour = errors[table["setting"] == name], figures.COLOURS[row]
            panel.plot(of_state, [row] * len(of_state), "o", color=colour, alpha=0.6)
            panel.plot([of_state.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
        panel.set(title=title.removesuffix(", %"), xlabel="error, %")
        panel.set_xlim(0, 1.08 * errors.max())
    return figure
