"""The states of a network in phases, compared seed by seed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies import study, table
from studies.analysis import Findings
from studies.transfer import analysis

pytestmark = pytest.mark.usefixtures("in_root")


@pytest.fixture
def rows() -> pd.DataFrame:
    """Return three trainings on letters, and two from scratch that classified no pen strokes."""
    found = [
        {"setting": "letters", "seed": seed, "phase": phase, **measured(one)}
        for seed, ends in enumerate([(0.97, 0.99), (0.98, 0.992), (0.975, 0.994)], 1)
        for phase, one in enumerate(ends, 1)
    ]
    for seed, one in enumerate([0.99, 0.991], 1):
        others = measured(one) | {"strokes_accuracy": np.nan}
        found.append({"setting": "scratch", "seed": seed, "phase": 1, **others})
    return pd.DataFrame(found).reindex(columns=table.COLUMNS)


def measured(value: float) -> dict[str, float]:
    return {"images": 100} | dict.fromkeys(analysis.SETS, value)


def analyse(rows: pd.DataFrame) -> Findings:
    return analysis.analyse(study.read("transfer"), rows, Path())


def test_states_and_their_differences(rows: pd.DataFrame) -> None:
    summary = analyse(rows).summary
    frozen, unfrozen, scratch = summary["settings"]
    test, small = frozen["test_accuracy"], unfrozen["small_accuracy"]
    assert (test["mean"], test["std"]) == (0.975, 0.005)
    assert (small["mean"], small["std"]) == (0.992, 0.002)
    assert (frozen["seeds"], scratch["seeds"]) == (3, 2)
    unfreezing = next(one for one in summary["differences"] if one["metric"] == "test_accuracy")
    assert unfreezing["mean"] == pytest.approx((0.02 + 0.012 + 0.019) / 3)
    half = 4.3027 * 0.004359 / 3**0.5  # Student's t of two degrees of freedom, the SD
    assert unfreezing["high"] - unfreezing["mean"] == pytest.approx(half, abs=1e-5)
    of_scratch = [one for one in summary["differences"] if one["base"] == "from scratch"]
    assert [one["mean"] for one in of_scratch] == [*[0.0005] * 3, None]
    assert scratch["strokes_accuracy"]["mean"] is None


def test_the_figure_has_every_training_and_set_that_letters_have(rows: pd.DataFrame) -> None:
    figure = analyse(rows).figures["errors.png"]
    titles = [f"{axes.get_title()}, %" for axes in figure.axes]
    assert titles == list(analysis.SETS.values())
    for axes in figure.axes:
        points = [
            np.asarray(line.get_xdata()) for line in axes.get_lines() if line.get_marker() == "o"
        ]
        assert [len(errors) for errors in points] == [3, 3, 2]
        assert sorted(points[0]) == pytest.approx([2, 2.5, 3])
    rows.loc[0, "strokes_accuracy"] = np.nan
    assert len(analyse(rows).figures["errors.png"].axes) == 3
