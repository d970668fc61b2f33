from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from digits.config import Split
from digits.errors import PipelineError
from digits.io import write_csv
from studies import summary
from studies.study import Study
from studies.trial import Trial

# The deviation over the seeds of what b gains over a is far smaller than that of either alone.
TEST = {"a": [0.90, 0.94, 0.98], "b": [0.911, 0.95, 0.989], "c": [0.95, 0.93, 0.94]}
GAINS = np.array([0.011, 0.010, 0.009])


def trial(setting: str, seed: int, images: int = 100) -> Trial:
    split = Split(seed=42, scheme="resplit", train=0.6, test=0.4, dev=0.1)
    return Trial(setting, None, split, images, seed, 1)  # type: ignore[arg-type]


def result(test: float) -> dict[str, Any]:
    figures = {"train_accuracy": 0.99, "dev_accuracy": round(test - 0.01, 6), "test_accuracy": test}
    return {"images": 100, "epochs": 3, **figures} | {
        f"{name}_loss": 0.1 for name in ("train", "dev", "test")
    }


@pytest.fixture
def table() -> pd.DataFrame:
    trials = {f"{s}{seed}": trial(s, seed) for s in "abc" for seed in range(3)}
    results = {f"{s}{seed}": result(TEST[s][seed]) for s in "cba" for seed in (2, 0, 1)}
    return summary.tabulate(trials, results, bayes_error=0.002)


@pytest.fixture
def study() -> Study:
    settings: Any = {"a": {}, "b": {}, "c": {}}
    return Study(threads=1, seeds=[0, 1, 2], images=[100], base="a", settings=settings)


def test_rows_are_in_the_study_s_order_and_have_the_gaps(table: pd.DataFrame) -> None:
    assert list(table["identity"]) == [f"{s}{seed}" for s in "abc" for seed in range(3)]
    first = table.iloc[0]
    assert (first["bias"], first["variance"]) == (0.008, 0.1)
    assert list(table.columns) == summary.COLUMNS


def test_what_is_written_is_read_back_to_the_bit(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    write_csv(path, table)
    trials = {f"{s}{seed}": trial(s, seed) for s in "ab" for seed in range(2)}
    results = summary.read_results(path, trials)
    assert results == {key: result(TEST[key[0]][int(key[1])]) for key in trials}
    again = tmp_path / "again.csv"
    write_csv(again, summary.read_table(path))
    assert again.read_bytes() == path.read_bytes()
    assert summary.read_results(tmp_path / "none.csv", trials) == {}


@pytest.mark.parametrize(
    ("old", "new"), [("setting,", "settings,"), ("0.9,", "x,"), ("0.9,", "inf,"), ("0.9,", ",")]
)
def test_another_table_is_refused(table: pd.DataFrame, tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "runs.csv"
    write_csv(path, table)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(PipelineError, match=r"runs\.csv"):
        summary.read_table(path)


def test_means_have_deviations_and_intervals(table: pd.DataFrame, study: Study) -> None:
    first = summary.describe(table, study)["settings"][0]
    expected = stats.t.interval(0.95, 2, np.mean(TEST["a"]), stats.sem(TEST["a"]))
    assert first["test_accuracy"] == {
        "mean": 0.94,
        "deviation": 0.04,
        "low": pytest.approx(expected[0], abs=1e-6),
        "high": pytest.approx(expected[1], abs=1e-6),
    }
    assert (first["setting"], first["images"], first["seeds"]) == ("a", 100, 3)


def test_differences_are_paired_by_seed_and_corrected(table: pd.DataFrame, study: Study) -> None:
    differences = {
        (one["setting"], one["figure"]): one
        for one in summary.describe(table, study)["differences"]
    }
    assert set(differences) == {(s, f) for s in "bc" for f in summary.COMPARED}
    b, c = differences["b", "test_accuracy"], differences["c", "test_accuracy"]
    assert b["base"] == "a"
    assert b["mean"] == pytest.approx(0.01)
    assert b["p"] == pytest.approx(stats.ttest_1samp(GAINS, 0).pvalue, rel=1e-3)
    assert b["p_corrected"] == pytest.approx(2 * b["p"], rel=1e-3)
    assert c["p_corrected"] == c["p"] > 0.05
    bias = differences["b", "bias"]  # both have the same train accuracy
    assert (bias["mean"], bias["p"], bias["p_corrected"]) == (0, None, None)


def test_a_chain_of_bases_is_corrected_for_all_its_settings(table: pd.DataFrame) -> None:
    settings: Any = {"a": {}, "b": {"base": "a"}, "c": {"base": "b"}}
    chain = Study(threads=1, seeds=[0, 1, 2], images=[100], base=None, settings=settings)
    of_test = [
        one
        for one in summary.describe(table, chain)["differences"]
        if one["figure"] == "test_accuracy"
    ]
    assert [(one["setting"], one["base"]) for one in of_test] == [("b", "a"), ("c", "b")]
    lower, higher = sorted(of_test, key=lambda one: one["p"])
    assert lower["p_corrected"] == pytest.approx(2 * lower["p"], rel=1e-3)
    assert higher["p_corrected"] == higher["p"]


def test_one_seed_has_no_spread(table: pd.DataFrame, study: Study) -> None:
    described = summary.describe(table[table["seed"] == 0], study)
    assert described["settings"][0]["test_accuracy"]["deviation"] is None
    assert described["differences"][0]["p"] is None
    assert described["differences"][0]["mean"] == 0.011
    assert "| +1.10 [-, -]" in summary.markdown(described)


def test_a_base_that_was_not_trained_gives_no_difference(table: pd.DataFrame, study: Study) -> None:
    described = summary.describe(table[table["setting"] != "a"], study)
    assert [one["mean"] for one in described["differences"]] == [None] * 6


def test_the_tables_are_in_percent(table: pd.DataFrame, study: Study) -> None:
    text = summary.markdown(summary.describe(table, study))
    assert "| a         |      100 |       3 | 99.00 ± 0.00 | 93.00 ± 4.00 |" in text
    assert "+1.00 [+0.75, +1.25]*" in text
