import math
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from digits.errors import PipelineError
from digits.io import CURVES, read_csv, read_json, replacing, write_csv, write_curves, write_json
from tests.workspace import ROOT, run


def test_a_file_takes_the_place_of_the_old_one_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.txt"
    with replacing(path) as temporary:
        temporary.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.suffix == ".txt"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """Return a file that has been written before; it must be the only one afterwards."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    yield path
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_the_old_file_and_nothing_else(old: Path) -> None:
    def write() -> None:
        with replacing(old) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert old.read_text() == "old"


def test_what_a_killed_writer_left_goes_with_the_next(old: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from digits.io import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('ne')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run(ROOT, "-c", code, old, status=-signal.SIGKILL)
    assert old.read_text() == "old"
    assert len(list(old.parent.iterdir())) == 2
    write_json(old, "new")
    assert read_json(old) == "new"


def test_a_disk_without_room_leaves_the_old_file(old: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_json(old, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert old.read_text() == "old"


def test_json_is_sorted_indented_utf8_with_a_final_newline_and_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": [0.5], "a": "ö", "c": None})
    assert path.read_bytes().decode() == '{\n  "a": "ö",\n  "b": [\n    0.5\n  ],\n  "c": null\n}\n'
    assert read_json(path) == {"a": "ö", "b": [0.5], "c": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": math.nan})


def test_csv_has_a_header_and_no_index(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, pd.DataFrame({"id": [3, 4], "label": ["ö", "b,c"]}))
    assert path.read_bytes().decode() == 'id,label\n3,ö\n4,"b,c"\n'


def test_a_table_is_read_without_losing_a_digit(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,0.30000000000000004\n")
    assert read_csv(path, ["a", "b"]).to_dict("list") == {"a": [1], "b": [0.1 + 0.2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "table.csv is not a table of comma-separated values"),
        ("a,b\n1,2\n1,2,3\n", "table.csv is not a table of comma-separated values"),
        ("a,b\n", "expected rows with the columns a, b, found 0 with a, b"),
        ("a,c\n1,2\n", "expected rows with the columns a, b, found 1 with a, c"),
        ("a,b\n1,2\n3,x\n", "table.csv, line 3: expected numbers only"),
    ],
)
def test_any_other_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(PipelineError, match=message):
        read_csv(path, ["a", "b"])


def test_curves_have_seven_significant_digits(tmp_path: Path) -> None:
    row = {**dict.fromkeys(CURVES, 0.123456789), "epoch": 1, "phase": 1, "dev_loss": math.nan}
    write_curves(tmp_path / "curves.csv", pd.DataFrame([row]))
    (_, line) = (tmp_path / "curves.csv").read_text().splitlines()
    assert line == "1,1,0.1234568,0.1234568,0.1234568,,0.1234568,0.1234568,0.1234568"
