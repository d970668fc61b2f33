"""Put the study's trainings together.

Reads studies/transfer/runs/<arm>-<seed>.json; writes studies/transfer/summary.json and
docs/transfer.png, and brings the table in docs/transfer.md up to date.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from digits.errors import PipelineError, run_stage
from digits.evaluation import figures, report
from digits.io import read_json, replacing, write_json
from studies.transfer import settings

STUDY = Path("studies/transfer")
PAGE, PICTURE = Path("docs/transfer.md"), Path("docs/transfer.png")
SETS = {"dev": "dev", "test": "unseen test", "small": "small, off-centre"}
NAMES = {
    ("letters", "phase1"): "letters, body frozen",
    ("letters", "phase2"): "letters, then unfrozen",
    ("scratch", "phase1"): "from scratch",
}
FROZEN, UNFROZEN, SCRATCH = NAMES.values()
PAIRS = ((UNFROZEN, FROZEN), (UNFROZEN, SCRATCH))


def main() -> None:
    """Summarize what is there, also while trainings are missing."""
    table = read(STUDY / "runs", settings.load().seeds)
    summary = {"states": describe(table), "differences": compare(table)}
    write_json(STUDY / "summary.json", summary)
    figures.save(PICTURE, draw(table))
    text = report.replace_table(
        PAGE.read_text(encoding="utf-8"),
        f"{markdown(summary)}\n\n![Error of each training, and the means]({PICTURE.name})",
        f"dvc repro {STUDY}/dvc.yaml",
    )
    with replacing(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(markdown(summary))


def read(folder: Path, seeds: list[int]) -> pd.DataFrame:
    """Return a row for each training, phase and set: state, seed, set, error (% of images).

    Trainings that were not run yet are left out.

    Raises:
        PipelineError: there is none, or a file is not what a training wrote.
    """
    rows = []
    for ((arm, phase), name), seed in itertools.product(NAMES.items(), seeds):
        path = folder / f"{arm}-{seed}.json"
        if not path.exists():
            continue
        try:
            accuracies = read_json(path)[phase]
            rows += [
                {"state": name, "seed": seed, "set": kind, "error": 100 * (1 - accuracies[kind])}
                for kind in SETS
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise PipelineError(f"{path} is not what a training wrote: {error!r}") from None
    if not rows:
        raise PipelineError(f"{folder} has no trainings; `dvc repro` in {STUDY} runs them")
    return pd.DataFrame(rows)


def describe(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mean and deviation over the seeds of the accuracy on each set, in percent."""
    states = []
    for name in NAMES.values():
        of_state = table[table["state"] == name]
        figures: dict[str, Any] = {"state": name, "seeds": of_state["seed"].nunique()}
        for kind in SETS:
            accuracies = 100 - of_state["error"][of_state["set"] == kind]
            figures[kind] = {
                "mean": rounded(accuracies.mean()),
                "deviation": rounded(accuracies.std()),
            }
        states.append(figures)
    return states


def compare(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return for two pairs of states the mean difference over the seeds, in points of accuracy.

    With the 95 % interval of Student's t, paired by seed.
    """
    differences = []
    for first, second in PAIRS:
        for kind in SETS:
            errors = table[table["set"] == kind].pivot(index="seed", columns="state")["error"]
            gain = (errors.get(second, np.nan) - errors.get(first, np.nan)).dropna()
            half = gain.sem() * stats.t.ppf(0.975, len(gain) - 1) if len(gain) > 1 else np.nan
            differences.append(
                {
                    "better": first,
                    "than": second,
                    "set": kind,
                    "mean": rounded(gain.mean()),
                    "low": rounded(gain.mean() - half),
                    "high": rounded(gain.mean() + half),
                }
            )
    return differences


def rounded(value: float) -> float | None:
    """Round to what 22,000 images tell; None for what too few seeds do not say."""
    return round(float(value), 4) if np.isfinite(value) else None


def markdown(summary: dict[str, Any]) -> str:
    """Write the summary as two tables."""
    states = pd.DataFrame(
        {
            "network": state["state"],
            "seeds": state["seeds"],
            **{
                SETS[kind]: f"{text(state[kind]['mean'])} ± {text(state[kind]['deviation'])}"
                for kind in SETS
            },
        }
        for state in summary["states"]
    )
    differences = pd.DataFrame(
        {
            "difference": f"{one['better']} - {one['than']}",
            "on": SETS[one["set"]],
            "points": text(one["mean"], "+"),
            "95 % interval": f"{text(one['low'], '+')} to {text(one['high'], '+')}",
        }
        for one in summary["differences"]
    )
    return "\n\n".join(
        (
            states.to_markdown(index=False, disable_numparse=True),
            differences.to_markdown(index=False, disable_numparse=True),
        )
    )


def text(value: float | None, sign: str = "") -> str:
    """Write a figure with two decimals, or a dash."""
    return "-" if value is None else f"{value:{sign}.2f}"


def draw(table: pd.DataFrame) -> Figure:
    """Show the error of each training on each set, and the mean of each state."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels = figure.subplots(1, len(SETS), sharey=True)
    for panel, (kind, title) in zip(panels, SETS.items(), strict=True):
        for row, name in enumerate(NAMES.values()):
            errors = table["error"][(table["state"] == name) & (table["set"] == kind)]
            colour = figures.COLOURS[row]
            panel.plot(errors, [row] * len(errors), "o", color=colour, alpha=0.6)
            panel.plot([errors.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
        panel.set(title=title, xlabel="error, %")
        panel.set_xlim(0, 1.08 * table["error"][table["set"] == kind].max())
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(NAMES)), NAMES.values())
    panels[0].set_ylim(len(NAMES) - 0.5, -0.5)
    return figure


if __name__ == "__main__":
    run_stage("summary", main)
