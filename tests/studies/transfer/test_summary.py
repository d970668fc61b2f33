from pathlib import Path

import numpy as np
import pytest

from digits.errors import PipelineError
from digits.io import write_json
from studies.transfer import summary

SEEDS = [1, 2, 3, 4]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder with three trainings on letters, and two from scratch."""
    for seed, (frozen, unfrozen) in enumerate([(0.97, 0.99), (0.98, 0.992), (0.975, 0.994)], 1):
        phases = {"phase1": dict.fromkeys(summary.SETS, frozen)}
        phases["phase2"] = dict.fromkeys(summary.SETS, unfrozen)
        write_json(tmp_path / f"letters-{seed}.json", {**phases, "learning_rate": 0.01})
    for seed, accuracy in enumerate([0.99, 0.991], 1):
        write_json(
            tmp_path / f"scratch-{seed}.json", {"phase1": dict.fromkeys(summary.SETS, accuracy)}
        )
    return tmp_path


def test_means_and_deviations_are_over_the_seeds(runs: Path) -> None:
    frozen, unfrozen, scratch = summary.describe(summary.read(runs, SEEDS))
    assert frozen["test"] == {"mean": 97.5, "deviation": 0.5}
    assert unfrozen["small"] == {"mean": 99.2, "deviation": 0.2}
    assert (frozen["seeds"], scratch["seeds"]) == (3, 2)


def test_differences_are_paired_by_seed(runs: Path) -> None:
    differences = summary.compare(summary.read(runs, SEEDS))
    unfreezing = next(one for one in differences if one["set"] == "test")
    assert unfreezing["mean"] == pytest.approx((2 + 1.2 + 1.9) / 3)
    half = 4.3027 * 0.4359 / 3**0.5  # Student's t of two degrees of freedom, the deviation
    assert unfreezing["high"] - unfreezing["mean"] == pytest.approx(half, abs=1e-3)
    assert [one["mean"] for one in differences if one["than"] == "from scratch"] == [0.05] * 3


def test_too_few_seeds_say_nothing_of_the_spread(runs: Path) -> None:
    for path in runs.glob("*-[23].json"):
        path.unlink()
    figures = {
        "states": summary.describe(summary.read(runs, SEEDS)),
        "differences": summary.compare(summary.read(runs, SEEDS)),
    }
    assert "| 97.00 ± -" in summary.markdown(figures)
    assert "- to -" in summary.markdown(figures)


def test_the_picture_has_every_training(runs: Path) -> None:
    figure = summary.draw(summary.read(runs, SEEDS))
    assert [axes.get_title() for axes in figure.axes] == list(summary.SETS.values())
    for axes in figure.axes:
        points = [
            np.asarray(line.get_xdata()) for line in axes.get_lines() if line.get_marker() == "o"
        ]
        assert [len(errors) for errors in points] == [3, 3, 2]
        assert sorted(points[0]) == pytest.approx([2, 2.5, 3])


def test_other_files_are_refused(runs: Path) -> None:
    (runs / "letters-4.json").write_text("{}")
    with pytest.raises(PipelineError, match=r"letters-4\.json is not what a training wrote"):
        summary.read(runs, SEEDS)
