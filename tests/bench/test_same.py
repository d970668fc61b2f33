"""What `make same` catches and what it passes."""

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
