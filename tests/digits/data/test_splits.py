from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from digits.data import splits
from digits.errors import PipelineError

GOOD = """id,label,train,dev,test
0,5,1,0,0
1,0,0,1,0
2,4,0,0,1
3,1,1,0,1
4,9,0,0,0
"""


def test_sets_are_row_numbers_by_name(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(GOOD)
    table = splits.read(path)
    assert table["label"].tolist() == [5, 0, 4, 1, 9]
    assert dict(table.dtypes) == {name: np.dtype(kind) for name, kind in splits.TYPES.items()}
    found = {name: rows.tolist() for name, rows in splits.sets(table).items()}
    assert found == {"train": [0, 3], "dev": [1], "test_as_published": [2, 3], "test": [2]}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (GOOD, "", "is not a table of comma-separated values"),
        ("2,4,0,0,1", '2,4,0,0,"1', "is not a table of comma-separated values"),
        ("id,label", "row,label", r"expected columns \['id', .* found \['row', "),
        ("id,label,train,dev,test", "id,label,train,dev", "expected columns"),
        ("2,4,0,0,1", "2,2,4,0,0,1", "is not a table of comma-separated values"),
        ("0,5,1", "7,0,5,1", "line 3: the ids must be 0, 1, 2, ..."),
        ("2,4,0,0,1", "7,4,0,0,1", r"line 4: the ids must be 0, 1, 2, \.\.\."),
        ("2,4,0,0,1", "2,10,0,0,1", "line 4: label must be 0 to 9"),
        ("2,4,0,0,1", "2,four,0,0,1", "line 4: label must be 0 to 9"),
        ("2,4,0,0,1", "2,4,0,0,2", "line 4: train, dev and test must be 0 or 1"),
        ("2,4,0,0,1", "2,4,0,0", "line 4: train, dev and test must be 0 or 1"),
        ("1,0,0,1,0", "1,0,1,1,0", "line 3: an image in dev must be in no other set"),
        ("1,0,0,1,0", "1,0,0,1,1", "line 3: an image in dev must be in no other set"),
        ("1,0,0,1,0", "1,0,0,0,0", "no image is in dev"),
        ("2,4,0,0,1", "2,4,0,0,0", "no image is in test$"),
    ],
)
def test_wrong_table_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    path = tmp_path / "split.csv"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(PipelineError, match=rf"split\.csv.*{reason}"):
        splits.read(path)


def test_a_long_table_is_checked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "ROWS", 2)
    path = tmp_path / "split.csv"
    path.write_text(GOOD)
    assert splits.read(path)["id"].tolist() == [0, 1, 2, 3, 4]
    path.write_text(GOOD.replace("4,9", "4,19"))
    with pytest.raises(PipelineError, match="line 6: label must be 0 to 9"):
        splits.read(path)


def test_overlap_leaves_test_but_not_test_as_published() -> None:
    table = pd.DataFrame({"train": [1, 1], "dev": [0, 0], "test": [1, 1]})
    found = splits.sets(table)
    assert found["test"].tolist() == []
    assert found["test_as_published"].tolist() == [0, 1]
