import pytest

from tests.workspace import ROOT, run

STAGE = """
import os, signal, sys, time
from pathlib import Path
from digits.errors import PipelineError, run_stage

def main() -> None:
    {}

run_stage("{}", main)
"""


def end(body: str, status: int, name: str = "convert") -> tuple[str, str]:
    return run(ROOT, "-c", STAGE.format(body, name), status=status)


def test_a_stage_that_succeeds_says_nothing_of_its_own() -> None:
    assert end("print('12 images')", 0) == ("12 images\n", "")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise PipelineError('a.gz: magic: expected 1, found 2')", 1, "a.gz: magic: expected 1,"),
        ("Path('data/none').read_text()", 1, "data/none is missing; `dvc repro convert` first"),
        ("Path('digits').read_text()", 1, "Is a directory (digits); nothing half-written was left"),
        ("raise OSError(28, 'No space left on device')", 1, "No space left on device; nothing"),
        ("raise OSError('no file by number or name')", 1, "no file by number or name; nothing"),
        ("raise FileNotFoundError('no scissors found')", 1, "no scissors found"),
        (
            "os.kill(os.getpid(), signal.SIGINT); time.sleep(9)",
            130,
            "interrupted; the same command goes on from here",
        ),
    ],
)
def test_what_a_user_can_cause_ends_in_one_line(body: str, status: int, message: str) -> None:
    output, errors = end(body, status)
    assert output == ""
    assert errors.startswith(f"convert: {message}")
    assert errors.count("\n") == 1


def test_what_is_no_stage_is_not_advised_to_dvc() -> None:
    told = end("Path('data/none').read_text()", 1, "study")[1]
    assert told == "study: data/none is missing\n"


def test_our_own_mistakes_keep_their_traceback() -> None:
    told = end("1 / 0", 1)[1]
    assert "Traceback" in told
    assert "ZeroDivisionError" in told
