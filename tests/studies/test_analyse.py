"""What git holds of the studies is what their rows give."""

import shutil
import sys
from pathlib import Path

import pytest

from studies import analyse
from tests.studies.conftest import ROOT


@pytest.mark.parametrize("name", ["claims", "ladder", "transfer", "verify"])  # those of rows alone
def test_the_committed_tables_are_of_the_committed_rows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    committed, own = (root / "studies" / name for root in (ROOT, tmp_path))
    shutil.copytree(committed, own, ignore=shutil.ignore_patterns("results"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["analyse", name])
    analyse.main()
    texts = [*committed.glob("results/*.md"), committed / "results/summary.json"]
    for path in texts:
        assert (own / "results" / path.name).read_text() == path.read_text()
    drawn = {path.name for path in own.glob("results/*.png")}
    assert drawn == {path.name for path in committed.glob("results/*.png")}
