"""What rows show: means, intervals, differences, tables and figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from digits.errors import PipelineError
from studies import analysis, table
from studies.study import Study

# The standard deviation over the seeds of what b gains over a is far below that of either alone.
TEST = {"a": [0.90, 0.94, 0.98], "b": [0.911, 0.95, 0.989], "c": [0.95, 0.93, 0.94]}
GAINS = np.array([0.011, 0.010, 0.009])


pytestmark = pytest.mark.usefixtures("in_root")


def study(**changes: Any) -> Study:
    settings: Any = {"a": {}, "b": {}, "c": {}}
    content = {"dataset": "mnist", "threads": 1, "seeds": [0, 1, 2], "images": [100]}
    return Study.model_validate({**content, "base": "a", "settings": settings, **changes})


@pytest.fixture
def rows() -> pd.DataFrame:
    found = [(name, seed, one) for name, values in TEST.items() for seed, one in enumerate(values)]
    made = pd.DataFrame(found, columns=["setting", "seed", "test_accuracy"])
    made = made.assign(dev_accuracy=(made["test_accuracy"] - 0.01).round(6), train_accuracy=0.99)
    return made.assign(images=100, phase=1, processor="one").reindex(columns=table.COLUMNS)


@pytest.fixture
def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    return analysis.with_gaps(rows, study())


def test_bias_is_above_bayes_error_and_variance_above_train_error(gaps: pd.DataFrame) -> None:
    first = gaps[["bias", "variance", "test_variance"]].to_numpy()[0]
    assert first.tolist() == [0.0095, 0.1, 0.09]


def test_means_have_standard_deviations_and_intervals(gaps: pd.DataFrame) -> None:
    first = analysis.describe(gaps, study().pairs)["settings"][0]
    expected = stats.t.interval(0.95, 2, np.mean(TEST["a"]), stats.sem(TEST["a"]))
    assert first["test_accuracy"] == {
        "mean": 0.94,
        "std": 0.04,
        "low": pytest.approx(expected[0], abs=1e-6),
        "high": pytest.approx(expected[1], abs=1e-6),
    }
    assert (first["setting"], first["images"], first["seeds"]) == ("a", 100, 3)


def test_differences_are_paired_by_seed_and_corrected(gaps: pd.DataFrame) -> None:
    found = analysis.describe(gaps, study().pairs)["differences"]
    differences = {(one["setting"], one["metric"]): one for one in found}
    assert set(differences) == {(s, m) for s in "bc" for m in analysis.COMPARED}
    b, c = differences["b", "test_accuracy"], differences["c", "test_accuracy"]
    assert b["base"] == "a"
    assert b["mean"] == pytest.approx(0.01)
    assert b["p"] == pytest.approx(stats.ttest_1samp(GAINS, 0).pvalue, rel=1e-3)
    assert b["p_corrected"] == pytest.approx(2 * b["p"], rel=1e-3)
    assert c["p_corrected"] == c["p"] > 0.05
    bias = differences["b", "bias"]  # both have the same train accuracy
    assert (bias["mean"], bias["p"], bias["p_corrected"]) == (0, None, None)


def test_a_chain_of_bases_is_corrected_for_all_its_settings(gaps: pd.DataFrame) -> None:
    chain = study(base=None, settings={"a": {}, "b": {"base": "a"}, "c": {"base": "b"}})
    found = analysis.describe(gaps, chain.pairs)["differences"]
    of_test = [one for one in found if one["metric"] == "test_accuracy"]
    assert [(one["setting"], one["base"]) for one in of_test] == [("b", "a"), ("c", "b")]
    lower, higher = sorted(of_test, key=lambda one: one["p"])
    assert lower["p_corrected"] == pytest.approx(2 * lower["p"], rel=1e-3)
    assert higher["p_corrected"] == higher["p"]


def test_one_seed_has_no_spread_and_a_missing_base_no_difference(gaps: pd.DataFrame) -> None:
    described = analysis.describe(gaps[gaps["seed"] == 0], study().pairs)
    assert described["settings"][0]["test_accuracy"]["std"] is None
    assert described["differences"][0]["p"] is None
    assert described["differences"][0]["mean"] == 0.011
    assert "| +1.10 [-, -]" in analysis.markdown(described)
    described = analysis.describe(gaps[gaps["setting"] != "a"], study().pairs)
    assert [one["mean"] for one in described["differences"]] == [None] * 8


def test_the_findings_are_tables_in_percent_and_figures(rows: pd.DataFrame) -> None:
    found = analysis.analyse(study(), rows, Path())
    text = found.tables["tables.md"]
    assert "| a         |      100 |       3 | 99.00 ± 0.00 | 93.00 ± 4.00 |" in text
    assert "+1.00 [+0.75, +1.25]*" in text
    _, _, test, bias, *_ = found.tables["answer.md"].splitlines()
    assert test == "- **Test**: b - a +1.00 [+0.75, +1.25] (p = 0.007) with 100 images"
    assert bias == "- **Bias**: none"
    assert list(found.figures) == ["gaps.png"]
    sizes = analysis.analyse(study(images=[100, "all"]), rows, Path())
    assert list(sizes.figures) == ["gaps.png", "sizes.png"]


def test_kept_probabilities_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a-100-1.npz"
    logarithms = np.log(np.full((5, 10), 0.1)).astype(np.float16)
    np.savez_compressed(path, test_log_probabilities=logarithms)
    assert analysis.probabilities(path, "test", 5) == pytest.approx(np.full((5, 10), 0.1), rel=1e-2)
    with pytest.raises(PipelineError, match=r"of shape \(6, 10\), found \(5, 10\)"):
        analysis.probabilities(path, "test", 6)
    with pytest.raises(PipelineError, match="cannot be read"):
        analysis.probabilities(path, "dev", 5)
    path.write_bytes(b"no ZIP")
    with pytest.raises(PipelineError, match="cannot be read"):
        analysis.probabilities(path, "test", 5)
    with pytest.raises(PipelineError, match="brings it back"):
        analysis.probabilities(tmp_path / "none.npz", "test", 5)
