import sys
from typing import Any

import pytest

from bench import study_speedup


@pytest.mark.slow
@pytest.mark.usefixtures("standardized")
def test_a_study_is_timed_side_by_side_and_in_a_row(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    sizes = ["--rounds", "1", "--trainings", "1", "--images", "200", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", ["study_speedup", *sizes])
    study_speedup.main()
    ((figure,),) = written
    assert figure["what"].startswith("a study of 1 lenet5, 200 images, 1 epochs")
    assert figure["ratio"]["median"] > 0
