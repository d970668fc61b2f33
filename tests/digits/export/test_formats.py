from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from digits.errors import PipelineError
from digits.export import formats


def compared(
    float32: npt.NDArray[np.float32], int8: npt.NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Compare made-up answers to 2,000 images of label 0, the second half of them unseen."""
    right = np.tile(np.array([0.6, 0.4], np.float32), (2000, 1))
    answers = {"keras": right, "weights": right, "float32": float32, "int8": int8}
    unseen = np.arange(2000) >= 1000
    return formats.compare(answers, right, np.zeros(2000, np.uint8), unseen)


def reading(wrong: int) -> npt.NDArray[np.float32]:
    """Return answers of which the last ``wrong`` are wrong."""
    answers = np.tile(np.array([0.6, 0.4], np.float32), (2000, 1))
    answers[2000 - wrong :] = [0.4, 0.6]
    return answers


def test_int8_must_lose_less_than_the_largest_drop() -> None:
    formats.check(compared(reading(0), reading(1)), 0.002)
    with pytest.raises(
        PipelineError,
        match=r"^int8\.tflite has a test accuracy of 0\.998, the trained network of 1\.0; "
        r"the difference must be below export\.largest_drop in params\.yaml, 0\.002; nothing",
    ):
        formats.check(compared(reading(0), reading(2)), 0.002)


def test_a_float_form_must_not_change_a_single_class() -> None:
    with pytest.raises(PipelineError, match=r"^float32\.tflite reads 1 test images otherwise"):
        formats.check(compared(reading(1), reading(0)), 0.5)


def test_comparison_is_of_all_images_but_the_accuracy_of_the_unseen() -> None:
    answers = reading(1)[::-1]  # the one error is of an image seen in training
    *_, int8 = compared(reading(0), answers)
    assert int8["test_accuracy"] == 1
    assert int8["classes_differing"] == 1
    assert int8["largest_difference"] == pytest.approx(0.2)
