"""What `make same` catches and what it passes."""

from pathlib import Path

import pytest

from bench import same
from digits.errors import PipelineError

CASE = {"weights": "1a", "curves": "2b"}


def test_equal_digests_pass(capsys: pytest.CaptureFixture[str]) -> None:
    same.report({"dense": CASE}, {"dense": CASE, "new": CASE})
    assert "2 cases, all the same" in capsys.readouterr().out


@pytest.mark.parametrize("now", [{"dense": {**CASE, "curves": "3c"}}, {}])
def test_another_digest_and_a_missing_case_do_not(now: dict[str, dict[str, str]]) -> None:
    with pytest.raises(PipelineError, match="not the same: dense"):
        same.report({"dense": CASE}, now)


def test_a_stage_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(same.ROOT)
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.setattr("sys.excepthook", None)  # stages set it
    monkeypatch.setattr(same, "train", lambda _: same.run("evaluate", "none"))
    with pytest.raises(SystemExit):
        same.probe(tmp_path, ["dense"])
    assert "evaluate: params.yaml: architectures has no none" in capsys.readouterr().err
