from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from digits.errors import PipelineError
from digits.export import formats


def predicting(wrong: int = 0, test: bool = False) -> npt.NDArray[np.float32]:
    """Return answers to 2,000 images of label 0, of which ``wrong`` on dev, or test, are wrong."""
    answers = np.tile(np.array([0.6, 0.4], np.float32), (2000, 1))
    first = 1000 if test else 0
    answers[first : first + wrong] = [0.4, 0.6]
    return answers


def compared(**others: npt.NDArray[np.float32]) -> list[dict[str, Any]]:
    """Compare such answers, right but for ``others``; the first half is dev, the second test."""
    answers = dict.fromkeys(("keras", "weights", "float32", "int8"), predicting()) | others
    dev = np.arange(2000) < 1000
    sets = {"dev": dev, "test": ~dev}
    return formats.compare(answers, predicting(), np.zeros(2000, np.uint8), sets)


def test_int8_must_lose_less_than_the_largest_drop_on_dev() -> None:
    formats.check(compared(int8=predicting(1)), 0.002)
    with pytest.raises(
        PipelineError,
        match=r"^int8 has a dev accuracy of 0\.998, the trained network of 1\.0; "
        r"the difference must be below export\.largest_drop in params\.yaml, 0\.002; nothing",
    ):
        formats.check(compared(int8=predicting(2)), 0.002)


def test_the_test_images_do_not_decide() -> None:
    found = compared(int8=predicting(500, test=True))
    formats.check(found, 0.002)
    assert (found[-1]["dev_accuracy"], found[-1]["test_accuracy"]) == (1, 0.5)
    assert found[-1]["classes_differing"] == 500
    assert found[-1]["largest_difference"] == pytest.approx(0.2)


def test_a_float_format_must_not_change_a_single_class() -> None:
    with pytest.raises(PipelineError, match=r"^float32 classifies 1 images otherwise"):
        formats.check(compared(float32=predicting(1)), 0.5)
