"""Reading the tables that stages hand on."""

from pathlib import Path

import pytest

from digits import tables
from digits.errors import PipelineError


def test_reads_numbers_without_losing_a_digit(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,0.30000000000000004\n")
    assert tables.read(path, ["a", "b"]).to_dict("list") == {"a": [1], "b": [0.1 + 0.2]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "table.csv is not a table of comma-separated values"),
        ("a,b\n1,2\n1,2,3\n", "table.csv is not a table of comma-separated values"),
        ("a,b\n", "expected rows with the columns a, b, found 0 with a, b"),
        ("a,c\n1,2\n", "expected rows with the columns a, b, found 1 with a, c"),
    ],
)
def test_refuses_anything_else(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(PipelineError, match=message):
        tables.read(path, ["a", "b"])
