import shutil
import sys
from pathlib import Path

import pytest

from digits import config, quickstart
from digits.errors import PipelineError
from tests.workspace import ROOT


def test_its_changes_are_possible() -> None:
    given, changes = (config.read_yaml(ROOT / path) for path in (config.PATH, quickstart.SETTINGS))
    config.check(config.Params, config.override(given, changes, "test"), "test")


def test_a_downloaded_zip_and_another_folder_are_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["quickstart"])
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=lambda *_: {"cache", "tmp"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="run this in the project's top folder"):
        quickstart.main()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    with pytest.raises(PipelineError, match="run this in the top folder of a `git clone`"):
        quickstart.main()
    assert {path.name for path in tmp_path.iterdir()} == {".dvc", "params.yaml"}
