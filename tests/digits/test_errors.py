from unittest.mock import Mock

import pytest

from digits.errors import PipelineError, run_stage


def end(error: BaseException, name: str = "convert") -> object:
    """Return the exit status of a stage that an error ends."""
    with pytest.raises(SystemExit) as ended:
        run_stage(name, Mock(side_effect=error))
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (PipelineError("a.gz: magic: expected 1, found 2"), 1, "a.gz: magic: expected 1,"),
        (FileNotFoundError(2, "", "data/a"), 1, "data/a is missing; `dvc repro convert` first"),
        (IsADirectoryError(21, "Is one", "a"), 1, "Is one (a); nothing half-written was left"),
        (OSError(28, "No space left on device"), 1, "No space left on device; nothing"),
        (OSError("no file by number or name"), 1, "no file by number or name; nothing"),
        (FileNotFoundError("no scissors found"), 1, "no scissors found"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on from here"),
    ],
)
def test_what_a_user_can_cause_ends_in_one_line(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(error) == status
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"convert: {message}")
    assert errors.count("\n") == 1


def test_what_is_no_stage_is_not_advised_to_dvc(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(FileNotFoundError(2, "", "data/a"), "study") == 1
    assert capsys.readouterr().err == "study: data/a is missing\n"


def test_our_own_mistakes_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        end(ZeroDivisionError())
