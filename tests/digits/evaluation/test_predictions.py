import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.errors import PipelineError
from digits.evaluation import predictions
from digits.evaluation.predictions import Step

ROWS = {"train": np.array([0, 4]), "dev": np.array([3]), "test": np.array([1, 5])}
STEPS = [Step("Input", (28, 28, 1), 0, ()), Step("Flatten", (784,), 0, (0,))]


def arrays() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "probabilities": random.random((6, 10), np.float32),
        "parameters": np.int64(7850),
        "phases": random.random((2, 3, 10), np.float32),
    }


def test_predictions_come_back_and_have_the_same_bytes_everywhere(tmp_path: Path) -> None:
    path, content = tmp_path / "a.npz", arrays()
    predictions.write(path, **content, steps=STEPS)
    found = predictions.read(path, 6, ROWS)
    np.testing.assert_array_equal(found.probabilities, content["probabilities"])
    np.testing.assert_array_equal(found.phases, content["phases"])
    assert found.parameters == 7850
    assert found.steps == STEPS
    assert predictions.phase_rows(ROWS).tolist() == [1, 3, 5]  # ascending
    digest = hashlib.sha256(path.read_bytes()).hexdigest()  # Python 3.11.2 and 3.11.7 had two
    assert digest == "2a31e5af33a81e2f247fd80dc6765f271374ee268237bb934427defc37ea5878"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": np.zeros((5, 10), np.float32)}, "(6, 10), found float32 (5, 10)"),
        ({"probabilities": np.zeros((6, 10))}, "float32 (6, 10), found float64 (6, 10)"),
        ({"parameters": np.zeros(2, np.int64)}, "parameters as int64 (), found int64 (2,)"),
        ({"phases": np.zeros((2, 4, 10), np.float32)}, "(2, 3, 10), found float32 (2, 4, 10)"),
        ({"phases": np.float32(0)}, "phases as float32 (3, 10), found float32 ()"),
        ({"probabilities": np.full((6, 10), np.nan, np.float32)}, "probabilities from 0 to 1"),
        ({"phases": np.full((2, 3, 10), 1.5, np.float32)}, "phases from 0 to 1"),
        ({"steps": np.array('[{"text": 1}]')}, "is not what train writes, or damaged: "),
        ({"parameters": np.array({}, object)}, "damaged: Object arrays cannot be loaded"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **(arrays() | {"steps": np.array("[]")} | changes))
    with pytest.raises(PipelineError, match=f"^{re.escape(str(path))}.*{re.escape(message)}"):
        predictions.read(path, 6, ROWS)


def test_a_damaged_file_is_refused_in_one_line_and_a_missing_one_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    predictions.write(path, **arrays(), steps=STEPS)
    whole = path.read_bytes()
    flipped = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    for damaged in (b"", b"id,label\n", whole[:-30], whole[:100], flipped):
        path.write_bytes(damaged)
        with pytest.raises(PipelineError, match=r"^.* is not what train writes, or damaged.*\Z"):
            predictions.read(path, 6, ROWS)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        predictions.read(path, 6, ROWS)
