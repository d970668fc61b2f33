import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench import measuring, study_speedup


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_study_is_timed_on_ray_and_in_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, root = measuring.run, measuring.ROOT
    found: list[tuple[str, float]] = []
    written: list[Any] = []

    def keep(command: list[str], folder: Path, **environment: str) -> measuring.Used:
        used = run(command, folder, PYTHONPATH=str(root), **environment)
        assert len(pd.read_csv(folder / "studies/speed/runs.csv")) == 1  # each trains anew
        found.append((command[0], used.seconds))
        return used

    monkeypatch.setattr(measuring, "run", keep)
    monkeypatch.setattr(measuring, "ROOT", tmp_path)
    monkeypatch.setattr(measuring, "write", lambda name, figures: written.extend(figures))
    sizes = ["--rounds", "1", "--trainings", "1", "--images", "200", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["study_speedup", *sizes])
    study_speedup.main()
    (figure,) = written
    assert [name for name, _ in found] == ["without_ray", "studies.run"]
    (_, in_a_row), (_, on_ray) = found
    assert figure["ours"] == measuring.spread([on_ray])
    assert figure["other"] == measuring.spread([in_a_row])
