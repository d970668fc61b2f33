import gzip
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from bench import strokes
from digits import drawing
from digits.errors import PipelineError
from digits.export import litert

ROOT = Path(__file__).parents[2]
SEVEN = {"label": 7, "source": "abc/1.dat", "strokes": [[[0.0, 5.0], [40, 5.0], [20.5, 60.0]]]}


def write(path: Path, content: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def results(right: dict[str, int], javascript: int = 0, difference: float = 0.0) -> pd.DataFrame:
    """Return results of 1,000 digits, so many of them right in each placement.

    Args:
        right: by placement.
        javascript: how many pictures JavaScript has in another class than Python.
        difference: of their pixels.
    """
    table = pd.DataFrame(
        [
            {"label": 1, "donor": "ab" + "cd"[digit % 2], "placement": name}
            | {"read": 1 if digit < right[name] else 7}
            for name in strokes.PLACEMENTS
            for digit in range(1000)
        ]
    )
    table["javascript"] = table["read"]
    table.loc[: javascript - 1, "javascript"] = 0
    return table.assign(difference=difference)


def even(share: int, **others: Any) -> pd.DataFrame:
    return results(dict.fromkeys(strokes.PLACEMENTS, share), **others)


@pytest.fixture(scope="module")
def sevens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an exported network that takes everything for a seven."""
    pixels = keras.Input((28, 28, 1), batch_size=1)
    sure = keras.layers.Dense(10, "softmax")
    network = keras.Model(pixels, sure(keras.layers.Flatten()(pixels)))
    sure.set_weights([np.full((784, 10), 1e-6), 9 * np.eye(10)[7]])
    folder = tmp_path_factory.mktemp("export")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFlow's converter
        noise = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)
        litert.write_int8(network, folder / "int8.tflite", noise)
    return folder


@pytest.mark.parametrize(
    ("label", "accuracy", "status", "error"),
    [
        (7, "100.00", 0, ""),
        (1, "0.00", 1, "strokes: mean accuracy in percent: expected at least 97.0, found 0.000\n"),
    ],
)
def test_the_command_prints_the_figures_and_ends_as_they_are(
    tmp_path: Path, sevens: Path, label: int, accuracy: str, status: int, error: str
) -> None:
    path = write(tmp_path / "digits.json.gz", [SEVEN | {"label": label}] * 101)
    command = [sys.executable, "-m", "bench.strokes", str(path), "--model", str(sevens)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == status
    assert result.stderr.endswith(error)
    for name in strokes.PLACEMENTS:
        assert re.search(rf"\| {name} +\| +{accuracy} \| +{accuracy} \|", result.stdout)
    assert "same class in percent: 100.000" in result.stdout


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (digit,) = strokes.read(write(tmp_path / "digits.json.gz", [SEVEN]))
    assert (digit.label, digit.source) == (7, "abc/1.dat")
    assert digit.strokes == [[(0, 5), (40, 5), (20.5, 60)]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "the file: Input should be a valid array; given {}"),
        ([], "the file: List should have at least 1 item"),
        ([SEVEN, SEVEN | {"label": 10}], "1.label: Input should be less than or equal to 9; given"),
        ([SEVEN | {"label": "7"}], "0.label: Input should be a valid integer; given '7'"),
        ([SEVEN | {"label": True}], "0.label: Input should be a valid integer; given True"),
        ([SEVEN | {"source": "ab"}], "0.source: String should have at least 3 characters"),
        ([SEVEN | {"strokes": []}], "0.strokes: List should have at least 1 item"),
        ([SEVEN | {"strokes": [[]]}], "0.strokes.0: List should have at least 1 item"),
        ([SEVEN | {"strokes": [[[1, 2, 3]]]}], "0.strokes.0.0: Tuple should have at most 2 items"),
        ([SEVEN | {"strokes": [[[1]]]}], "0.strokes.0.0.1: Field required; given"),
        ([SEVEN | {"strokes": [[[1, "2"]]]}], "0.strokes.0.0.1: Input should be a valid number"),
        ([SEVEN | {"strokes": [[[1, None]]]}], "0.strokes.0.0.1: Input should be a valid number"),
        ([SEVEN | {"strokes": [[[float("nan"), 1]]]}], "0.strokes.0.0.0: Input should be a finite"),
        ([SEVEN | {"strokes": [[[1, 1e300]]]}], "0.strokes.0.0.1: Input should be less than or"),
        ([SEVEN | {"strokes": [[[1, 1]] * 10_001]}], "0.strokes.0: List should have at most 10000"),
        ([SEVEN | {"strokes": [[[1, 1]]] * 101}], "0.strokes: List should have at most 100 items"),
        ([{"label": 7, "source": "abc"}], "0.strokes: Field required"),
    ],
)
def test_another_structure_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "digits.json.gz", content)
    with pytest.raises(PipelineError) as caught:
        strokes.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "digits.json.gz is not a gzip file, or a damaged one: Not a gzipped file"),
        (gzip.compress(b"[1, 2, 3]")[:-9], "is not a gzip file, or a damaged one: Compressed file"),
        (gzip.compress(b"[1, "), "the file: Invalid JSON: EOF while parsing"),
        (gzip.compress(b"\xff\xfe"), "the file: Invalid JSON"),
        (gzip.compress(b"[" * 100_000), "the file: Invalid JSON: recursion limit exceeded"),
    ],
    # gzip writes the second into its header: the bytes would name the tests anew each second.
    ids=["plain", "cut", "unfinished", "no UTF-8", "too deep"],
)
def test_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "digits.json.gz"
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=message.replace(".", r"\.")):
        strokes.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"none\.gz is missing; expected a file of strokes"):
        strokes.read(tmp_path / "none.gz")


def test_a_decompression_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strokes, "UNPACKED", 1000)
    path = write(tmp_path / "bomb.json.gz", " " * 10_000)
    with pytest.raises(PipelineError, match="expected at most 1,000 bytes unpacked, found more"):
        strokes.read(path)


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


def test_a_dot_is_as_wide_as_the_pen_and_round() -> None:
    dot = strokes.draw([[(3.0, 4.0)]], strokes.PLACEMENTS["large, centred"])
    ink = 1 - np.asarray(dot) / 255
    assert ink.sum() == pytest.approx(np.pi * (100 * drawing.PEN_WIDTH / 2) ** 2, rel=0.03)
    assert ink[50, 50] == 1


def test_both_normalisations_see_the_same_pictures() -> None:
    digit = strokes.Digit.model_validate_json(json.dumps(SEVEN))
    images = strokes.normalise_both_ways([digit, digit])
    assert images.shape == (2, 3, 2, 28, 28)
    np.testing.assert_array_equal(images[:, :, 0], images[:, :, 1])
    for image, placement in zip(images[1, :, 0], strokes.PLACEMENTS.values(), strict=True):
        expected = drawing.normalise(strokes.draw(digit.strokes, placement))
        np.testing.assert_array_equal(image, expected)


def test_no_node_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PipelineError, match="node is not on the PATH"):
        strokes.normalise_in_javascript([])


def test_the_report_has_every_placement_and_donor() -> None:
    report = strokes.report(results(dict(zip(strokes.PLACEMENTS, (980, 960, 1000), strict=True))))
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.splitlines()]
    assert ["placement", "all (1,000)", "abc (500)", "abd (500)"] in table
    assert ["medium, centred", "96.00", "96.00", "96.00"] in table
    assert ["mean", "98.00", "98.00", "98.00"] in table
    assert "1 as 7: 60" in report
    assert "same class in percent: 100.000" in report


def test_at_its_bounds_nothing_is_missed() -> None:
    assert strokes.misses(even(970, javascript=3, difference=1.0)) == []
    assert (
        strokes.misses(results(dict(zip(strokes.PLACEMENTS, (975, 970, 972), strict=True)))) == []
    )


@pytest.mark.parametrize(
    ("table", "missed"),
    [
        (even(969), "mean accuracy in percent: expected at least 97.0, found 96.900"),
        (
            results(dict(zip(strokes.PLACEMENTS, (1000, 994, 1000), strict=True))),
            "points from the worst placement to the best: expected at most 0.5, found 0.600",
        ),
        (even(980, javascript=4), "same class in percent: expected at least 99.9, found 99.867"),
        (even(980, difference=1.1), "grey levels apart: expected at most 1.0, found 1.100"),
    ],
)
def test_what_misses_its_bound_is_named(table: pd.DataFrame, missed: str) -> None:
    assert strokes.misses(table) == [missed]
