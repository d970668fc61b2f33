"""Runs stages in the process of a test, which saves seconds each; DVC runs them in their own."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Stage = Callable[..., tuple[str, str]]


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Stage:
    """Return what runs a stage in ``tmp_path``, checks its exit status, and gives both outputs."""

    def run(name: str, *arguments: str, status: int = 0) -> tuple[str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # which stages set
        ended: object = 0
        try:
            runpy.run_module(f"stages.{name}", run_name="__main__")
        except SystemExit as error:
            ended = error.code
        output, errors = capsys.readouterr()
        assert ended == status, errors
        return output, errors

    return run
