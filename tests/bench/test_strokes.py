import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app import drawing
from app.classifier import Classifier
from bench import strokes, unfreezing
from digits import config
from digits.config import Split
from digits.data.dataset import Images
from digits.errors import PipelineError
from studies.runs import Run
from tests.workspace import ROOT, run

SEVEN = {"label": 7, "source": "abc/1.dat", "strokes": [[[0.0, 5.0], [40, 5.0], [20.5, 60.0]]]}
APART = [[(0.0, 0.0), (0.0, 60.0), (30.0, 60.0)], [(90.0, 0.0), (90.0, 60.0)]]  # an open 4


def write(path: Path, content: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def results(right: tuple[int, ...], javascript: int = 0, difference: float = 0.0) -> pd.DataFrame:
    """Return results of 1,000 digits, by how many are right in each placement."""
    rows = [
        (1, "ab" + "cd"[digit % 2], name, 1 if digit < count else 7)
        for name, count in zip(strokes.PLACEMENTS, right, strict=True)
        for digit in range(1000)
    ]
    table = pd.DataFrame(rows, columns=["label", "donor", "placement", "predicted"])
    table["javascript"] = table["predicted"]
    table.loc[: javascript - 1, "javascript"] = 0
    return table.assign(difference=difference)


@pytest.mark.parametrize(
    ("label", "accuracy", "status", "error"),
    [
        (7, "100.00", 0, ""),
        (1, "0.00", 1, "strokes: mean accuracy in percent: expected at least 97.0, found 0.000\n"),
    ],
)
def test_the_command_prints_the_figures_and_ends_as_they_are(
    tmp_path: Path, model: Path, label: int, accuracy: str, status: int, error: str
) -> None:
    path = write(tmp_path / "digits.json.gz", [SEVEN | {"label": label}] * 101)
    sevens = model.with_name("sevens.tflite")
    output, errors = run(ROOT, "bench.strokes", path, "--model", sevens, status=status)
    assert errors.endswith(error)
    for name in strokes.PLACEMENTS:
        assert re.search(rf"\| {name} +\| +{accuracy} \| +{accuracy} \|", output)
    assert "same class in percent: 100.000" in output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "the file: Input should be a valid array; given {}"),
        ([SEVEN, SEVEN | {"label": 10}], "1.label: Input should be less than or equal to 9; given"),
        ([SEVEN | {"label": True}], "0.label: Input should be a valid integer; given True"),
        ([SEVEN | {"strokes": [[]]}], "0.strokes.0: List should have at least 1 item"),
        ([SEVEN | {"strokes": [[[float("nan"), 1]]]}], "0.strokes.0.0.0: Input should be a finite"),
        (b"[]", "expected a gzip file, whole: Not a gzipped file"),
        (gzip.compress(b"[1, 2, 3]")[:-9], "expected a gzip file, whole: Compressed file ended"),
        (gzip.compress(b"[" * 100_000), "the file: Invalid JSON: recursion limit exceeded"),
        (gzip.compress(b" " * 10_001), "expected at most 10,000 bytes unpacked, found more"),
    ],
    # gzip writes the second into its header: the bytes would name the tests anew each second.
    ids=["object", "10", "bool", "empty", "nan", "plain", "cut", "deep", "bomb"],
)
def test_what_is_wrong_with_a_file_is_named(
    tmp_path: Path, content: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strokes, "UNPACKED", 10_000 if "10,000" in message else 2**20)
    path = tmp_path / "digits.json.gz"
    path.write_bytes(content) if isinstance(content, bytes) else write(path, content)
    with pytest.raises(PipelineError) as caught:
        strokes.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "box"),  # left, top, right, bottom: of the strokes, and half a pen more on each side
    [
        ("large, centred", (23.6 - 3.2, 15 - 3.2, 76.4 + 3.2, 85 + 3.2)),
        ("medium, centred", (33 - 3.2, 27.5 - 3.2, 67 + 3.2, 72.5 + 3.2)),
        ("small, above, thin", (38.7 - 1.8, 10 - 1.8, 61.3 + 1.8, 40 + 1.8)),
    ],
)
def test_digits_are_placed_as_they_should_be(name: str, box: tuple[float, ...]) -> None:
    lines = [[(0.0, 100.0), (30.0, 0.0)], [(0.0, 0.0), (75.5, 75.0)]]
    picture = strokes.draw(lines, strokes.PLACEMENTS[name])
    assert (picture.size, picture.mode, picture.getextrema()) == ((100, 100), "L", (0, 255))
    found = picture.point(lambda level: 255 - level).getbbox()
    assert found is not None
    assert np.abs(np.subtract(found, box)).max() <= 1


def test_both_normalizations_see_the_same_pictures() -> None:
    digit = strokes.Digit.model_validate_json(json.dumps(SEVEN))
    python, javascript = strokes.normalized([digit, digit])
    np.testing.assert_array_equal(python, javascript)
    for image, placement in zip(python[3:], strokes.PLACEMENTS.values(), strict=True):
        expected = drawing.normalize(strokes.draw(digit.strokes, placement))
        np.testing.assert_array_equal(image, expected)


def test_a_digit_that_is_refused_counts_as_an_error(model: Path) -> None:
    digit = strokes.Digit(label=4, source="abc", strokes=APART)
    table = strokes.measure([digit], Classifier(model))
    assert table["predicted"].tolist() == table["javascript"].tolist() == 3 * [strokes.REFUSED]
    assert "4 as none (refused): 3" in strokes.report(table)


def test_after_a_training_the_strokes_are_classified_and_a_refused_one_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optdigits: Images
) -> None:
    monkeypatch.setattr(unfreezing, "FOLDER", tmp_path)
    split = Split(seed=1, scheme="resplit", train=0.6, test=0.4, dev=0.1)
    recipe = config.load(ROOT / "params.yaml").architectures["dense"]
    recipe = recipe.model_copy(update={"epochs": 1})
    run = Run("dense", recipe, split, 100, None, None, 1, 1, ("test",), None, "correct")
    written = [
        SEVEN | {"label": label, "strokes": lines}
        for lines in (SEVEN["strokes"], APART)
        for label in range(10)
    ]
    digits = strokes.DIGITS.validate_json(json.dumps(written))
    (row,) = unfreezing.measure(run, optdigits, digits, strokes.normalized(digits)[0])
    assert row["strokes_accuracy"] == 0.05  # of each picture one label is right, unless refused


def test_no_node_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PipelineError, match="node is not on the PATH"):
        strokes.normalize_in_javascript([])


def test_the_report_has_every_placement_and_donor() -> None:
    report = strokes.report(results((980, 960, 1000)))
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.splitlines()]
    assert ["placement", "all (1,000)", "abc (500)", "abd (500)"] in table
    assert ["medium, centred", "96.00", "96.00", "96.00"] in table
    assert ["mean", "98.00", "98.00", "98.00"] in table
    assert "1 as 7: 60" in report


@pytest.mark.parametrize(
    ("right", "javascript", "difference", "missed"),
    [
        ((970, 970, 970), 3, 1.0, ""),
        ((975, 970, 972), 0, 0.0, ""),
        ((969, 969, 969), 0, 0.0, "mean accuracy in percent: expected at least 97.0, found 96.900"),
        ((1000, 994, 1000), 0, 0.0, "to the best: expected at most 0.5, found 0.600"),
        ((980, 980, 980), 4, 0.0, "same class in percent: expected at least 99.9, found 99.867"),
        ((980, 980, 980), 0, 1.1, "grey levels apart: expected at most 1.0, found 1.100"),
    ],
)
def test_what_misses_its_bound_is_named(
    right: tuple[int, ...], javascript: int, difference: float, missed: str
) -> None:
    found = strokes.misses(results(right, javascript, difference))
    assert len(found) == bool(missed)
    assert "".join(found).endswith(missed)
