import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import measuring, time_to_accuracy
from digits.data import idx
from digits.data.idx import FILES
from digits.errors import PipelineError


def test_every_swift_is_held_against_the_articles_of_its_round(
    monkeypatch: pytest.MonkeyPatch, written: list[Any], tmp_path: Path
) -> None:
    found: list[list[str]] = []

    def run(command: list[str]) -> measuring.Used:
        found.append([command[1], command[3]])
        seconds = {"swift": 10, "lenet5_v2": 100 * len(found), "champion": 1000}[command[1]]
        return measuring.Used(seconds, 0, 0, "log\n0.995\n")

    monkeypatch.setattr(measuring, "run", run)
    monkeypatch.setattr(time_to_accuracy, "SEEDS", (1, 2))
    monkeypatch.setattr(measuring, "RAW", tmp_path)
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy", "--rounds", "2"])
    time_to_accuracy.main()
    round_ = ["lenet5_v2", "swift", "swift", "champion"]
    assert [name for name, _ in found] == round_ * 2
    assert [seed for _, seed in found] == ["1", "1", "2", "1", "2", "1", "2", "2"]
    # Whatever ends it, what was measured before is there.
    assert [one["what"] for one in written[0]] == ["lenet5_v2 on test"]
    swift, champion, accuracy, article = written[-1]
    assert (swift["what"], swift["note"]) == ("swift, against lenet5_v2", "swift_rate_8")
    assert swift["ratio"] == {"median": 0.06, "lowest": 0.02, "highest": 0.1}
    assert (champion["what"], champion["ours"]["median"]) == ("champion, one training", 1000)
    assert (accuracy["mean"], article["mean"]) == (99.5, 99.5)


@pytest.mark.slow
def test_a_recipe_learns_training_and_predicts_test(
    tmp_path: Path, noisy: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(measuring.ROOT / "params.yaml", tmp_path)
    images, labels = noisy
    grey = (images * 50 + 100).clip(0, 255).astype(np.uint8)
    for names, rows in zip(FILES.values(), (slice(0, 300), slice(300, 400)), strict=True):
        for name, array in zip(names, (grey[rows], labels[rows]), strict=True):
            idx.write(tmp_path / "data/raw" / name, array)
    monkeypatch.chdir(tmp_path)
    used = measuring.run(["bench.time_to_accuracy", "swift", "--seed", "1"])
    assert "300 images" in used.output
    assert float(used.output.splitlines()[-1]) > 0.3  # a guess is right in a tenth


def test_what_is_not_timed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy", "champion", "swiftest"])
    with pytest.raises(PipelineError, match="no swiftest here; swift and champion are"):
        time_to_accuracy.main()


@pytest.mark.parametrize("name", ["swift", "champion"])
def test_recipes_are_possible(name: str) -> None:
    assert time_to_accuracy.recipe(name).network == name
