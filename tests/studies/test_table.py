"""Rows of studies: what is written is read back, and nothing is lost."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from digits.errors import PipelineError
from studies import table
from studies.study import Study


def row(setting: str = "a", seed: int = 1, phase: int = 1, **more: Any) -> dict[str, Any]:
    content = {"setting": setting, "images": 100, "fold": None, "seed": seed, "phase": phase}
    return content | {"epochs": 3, "test_accuracy": 0.9123, "identity": "0a"} | more


@pytest.fixture
def rows() -> pd.DataFrame:
    return table.put(table.put(table.read(Path("none.csv")), [row()]), [row(seed=2)])


def test_what_is_written_is_read_back(rows: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    table.write(path, rows)
    header, first, _ = path.read_text().splitlines()
    assert header == "setting,images,seed,phase,epochs,test_accuracy,identity"
    assert first == "a,100,1,1,3,0.9123,0a"
    table.write(tmp_path / "again.csv", table.read(path))
    assert (tmp_path / "again.csv").read_text() == path.read_text()


def test_rows_that_do_not_say_of_what_data_can_be_told(rows: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    table.write(path, rows)
    found = table.read(path)
    found.loc[found["seed"] == 1, ["data", "processor"]] = "2c", "a processor"
    table.write(path, found)
    read = table.read(path)[["data", "processor"]].fillna("-").to_numpy().tolist()
    assert read == [["2c", "a processor"], ["-", "-"]]


def test_a_run_takes_the_place_of_its_former_rows_alone(rows: pd.DataFrame) -> None:
    phases = [row(phase=number, identity="1b") for number in (1, 2)]
    found = table.put(table.put(rows, [row("b")]), phases)
    found = table.put(found, [row(fold=0)])
    found = table.sort(found, ["b", "a"])
    columns = ["setting", "seed", "phase", "identity"]
    assert [tuple(one) for one in found[columns].itertuples(index=False)] == [
        ("b", 1, 1, "0a"),
        ("a", 1, 1, "0a"),  # of the fold
        ("a", 1, 1, "1b"),
        ("a", 1, 2, "1b"),
        ("a", 2, 1, "0a"),
    ]


@pytest.mark.parametrize(
    ("old", "new"), [("setting,", "settings,"), ("0.9123", "x"), ("0a", ""), ("a,100", ",100")]
)
def test_another_table_is_refused(rows: pd.DataFrame, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "runs.csv"
    table.write(path, rows)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(PipelineError, match=r"runs\.csv"):
        table.read(path)


def test_a_study_without_rows_says_what_trains(rows: pd.DataFrame) -> None:
    path = Path("studies/s/runs/runs.csv")

    def one(**changes: Any) -> Study:
        content = {"dataset": "mnist", "architecture": "dense", "threads": 1, "seeds": [1, 2]}
        return Study.model_validate(content | {"settings": {"a": {}}} | changes)

    assert len(table.chosen(rows, one(), path)) == 2
    assert len(table.chosen(rows, one(settings={"a": {"seeds": [1]}}), path)) == 1
    more = table.put(rows, [row(images=60)])  # of the same seed, on fewer than all
    assert table.chosen(more, one(), path)["images"].tolist() == [100, 100]
    others: list[dict[str, Any]] = [{"settings": {"b": {}}}, {"seeds": [3]}, {"images": [7]}]
    for changes in others:
        with pytest.raises(PipelineError, match=r"has no run yet; `dvc repro .*:analyse@s`"):
            table.chosen(rows, one(**changes), path)
