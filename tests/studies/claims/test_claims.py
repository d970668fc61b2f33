from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from digits.errors import PipelineError
from digits.io import CURVES
from studies import study, table
from studies.claims import analysis as claims
from studies.claims.analysis import Claim


def claim(**changes: Any) -> Claim:
    content = {"source": "S1", "network": "dense", "metric": "test_accuracy", "published": 0.9775}
    return Claim.model_validate(content | {"mistake": "a divisor", "setting": "dense"} | changes)


def runs(values: list[float], metric: str = "test_accuracy", setting: str = "dense") -> Any:
    rows = pd.DataFrame(dict.fromkeys(table.COLUMNS, 0.5), index=range(len(values)))
    own: Any = {
        "seed": range(1, len(values) + 1),
        "images": 100,
        "setting": setting,
        metric: values,
    }
    return rows.assign(**own)


def test_a_published_figure_is_one_run_and_held_against_one_more() -> None:
    values = [0.978, 0.979, 0.980]
    verdict = claims.judge(claim(), runs(values))
    half = stats.t.ppf(0.975, 2) * 0.001 * np.sqrt(4 / 3)
    assert verdict["mean"] == 0.979
    assert verdict["low"] == pytest.approx(0.979 - half, abs=1e-6)
    assert verdict["high"] == pytest.approx(0.979 + half, abs=1e-6)


@pytest.mark.parametrize(
    ("published", "verdict"), [(0.9742, "consistent"), (0.9739, "too low"), (0.9841, "too high")]
)
def test_verdicts(published: float, verdict: str) -> None:
    found = claims.judge(claim(published=published), runs([0.978, 0.979, 0.980]))
    assert found["verdict"] == verdict


def test_figures_on_other_images_than_ours_differ_by_the_draw_of_these() -> None:
    values = [0.9874, 0.9874, 0.9874]
    same = claims.judge(claim(published=0.988), runs(values))
    other = claims.judge(claim(source="S3", published=0.988), runs(values))
    assert (same["verdict"], other["verdict"]) == ("too high", "consistent")
    std = np.sqrt(2 * 0.9874 * 0.0126 / 28_000 * (1 - 28 / 70))
    assert other["high"] - other["mean"] == pytest.approx(1.96 * std, abs=1e-6)


def test_no_accuracy_is_above_all_images() -> None:
    assert claims.judge(claim(), runs([0.9, 0.99, 0.999]))["high"] == 1
    loss = claim(metric="test_loss", published=0.9)
    assert claims.judge(loss, runs([0.9, 0.99, 0.999], "test_loss"))["high"] > 1


def test_what_one_seed_or_none_leaves_open_is_a_dash() -> None:
    verdicts = [claims.judge(claim(), runs(values)) for values in ([], [0.97])]
    assert [one["verdict"] for one in verdicts] == [claims.INCONCLUSIVE] * 2
    assert [one["reason"] for one in verdicts] == ["not run yet", "one seed has no spread"]
    rows = claims.tabulate(verdicts)
    assert rows["ours"].tolist() == ["-", "97.00"]
    assert rows["one more run, 95 %"].tolist() == ["-", "-"]


@pytest.mark.parametrize("changes", [{"setting": None}, {}])
def test_a_claim_with_a_reason_has_no_verdict(changes: dict[str, Any]) -> None:
    verdict = claims.judge(claim(inconclusive="no weights", **changes), runs([0.978, 0.98]))
    assert (verdict["verdict"], verdict["reason"]) == (claims.INCONCLUSIVE, "no weights")
    assert verdict["mean"] == (None if changes else 0.979)


def test_the_price_of_a_mistake_is_paired_by_seed(tmp_path: Path) -> None:
    content = {
        "dataset": "mnist",
        "threads": 1,
        "seeds": [1, 2, 3],
        "settings": {
            "dense": {"architecture": "dense", "sets": ["running", "test", "divided_by_225"]},
            "convnet": {"architecture": "convnet", "sets": ["running", "test"], "watch": "test"},
        },
    }
    rows = pd.concat([runs([0.9, 0.8, 0.7]), runs([0.9, 0.9, 0.9], setting="convnet")])
    rows["divided_by_225_accuracy"] = rows["test_accuracy"] - [0.001, 0.002, 0.003, 0, 0, 0]
    (tmp_path / "runs").mkdir()
    for seed in (1, 2, 3):
        curves = np.zeros((3, len(CURVES)))
        curves[:, CURVES.index("dev_accuracy")] = 0.8, 0.9 + seed / 1000, 0.9
        np.savez(tmp_path / f"runs/convnet-all-{seed}.npz", curves=curves)
    one, other = claims.prices(study.Study.model_validate(content), rows, tmp_path)
    half = stats.t.ppf(0.975, 2) * 0.001 / np.sqrt(3)
    assert (one["setting"], one["seeds"], one["mean"]) == ("dense", 3, -0.002)
    assert (one["low"], one["high"]) == pytest.approx((-0.002 - half, -0.002 + half), abs=1e-6)
    assert (other["setting"], other["mean"]) == ("convnet", 0.002)
    older = rows.assign(running_accuracy=np.nan, divided_by_225_accuracy=np.nan)
    assert claims.prices(study.Study.model_validate(content), older, tmp_path) == []


def test_the_answer_counts_the_verdicts_and_names_what_is_contradicted() -> None:
    every = claim(published=0.99), claim(), claim(setting=None, inconclusive="no weights")
    verdicts = [claims.judge(one, runs([0.978, 0.979, 0.980])) for one in every]
    price: Any = {"mistake": "S1: a divisor", "setting": "dense", "low": -0.003, "high": -0.001}
    priced = [price | {"mean": -0.002}, price | {"mean": 0.001}]
    count, _, told, most = claims.answer(claims.tabulate(verdicts), priced).splitlines()
    assert "1 consistent with our runs, 1 not, 1 inconclusive" in count
    assert told == "- S1, dense, test: 99.00 is too high; one more run of ours gives 97.40 to 98.40"
    assert "S1: a divisor, -0.20 [-0.30, -0.10] points of test accuracy (dense)" in most


def test_losses_are_in_nats() -> None:
    one = claim(metric="test_loss", published=0.0774)
    rows = claims.tabulate([claims.judge(one, runs([0.07, 0.08, 0.09], "test_loss"))])
    assert rows[["published", "ours"]].to_numpy().tolist() == [["0.0774", "0.0800 ± 0.0100"]]


def test_the_picture_has_a_row_for_each_accuracy_that_was_run() -> None:
    verdicts = [
        claims.judge(claim(), runs([0.978, 0.979, 0.980])),
        claims.judge(claim(metric="test_loss", published=0.1), runs([0.1] * 3, "test_loss")),
        claims.judge(claim(setting=None, inconclusive="no weights"), runs([0.97])),
    ]
    (axes,) = claims.draw(verdicts).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["S1 dense, test"]
    published = next(line for line in axes.lines if line.get_marker() == "D")
    assert np.asarray(published.get_xdata()) == pytest.approx([2.25])


@pytest.mark.usefixtures("in_root")
def test_every_claim_names_a_setting_of_the_study() -> None:
    found = claims.read(Path("studies/claims/claims.yaml"))
    settings = set(study.read("claims").settings) - {"lenet5_overlap"}  # for a price alone
    assert {one.setting for one in found} - {None} == settings
    assert all(one.setting or one.inconclusive for one in found)
    assert {one.source for one in found} == {"S0", "S1", "S2", "S3", "S4"}


def test_a_claim_with_neither_setting_nor_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="Claim"):
        claim(setting=None)


@pytest.mark.usefixtures("in_root")
def test_no_claim_is_told(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text("claims: []\n")
    with pytest.raises(PipelineError, match="claims: List should have at least 1 item"):
        claims.analyse(study.read("claims"), runs([0.978]), tmp_path)
