from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from digits import config
from digits.errors import PipelineError
from digits.io import write_csv
from studies import summary
from studies.claims import audit
from studies.claims.audit import Claim

ROOT = Path(__file__).parents[3]
PAGE = "a\n<!-- made by `python -m studies.claims.audit` -->\nstale\n<!-- end -->\nz\n"


def claim(**changes: Any) -> Claim:
    content = {
        "source": "S1",
        "network": "dense",
        "figure": "test_accuracy",
        "published": 0.9775,
        "mistake": "a divisor",
        "setting": "dense",
    }
    return Claim.model_validate(content | changes)


def runs(values: list[float], figure: str = "test_accuracy", setting: str = "dense") -> Any:
    table = pd.DataFrame(dict.fromkeys(summary.COLUMNS, 0.5), index=range(len(values)))
    table["seed"] = table["images"] = table["epochs"] = range(1, len(values) + 1)
    table["setting"], table["identity"] = setting, "0a"
    table[figure] = values
    return table


def test_a_published_figure_is_one_run_and_held_against_one_more() -> None:
    values = [0.978, 0.979, 0.980]
    verdict = audit.judge(claim(), runs(values))
    half = stats.t.ppf(0.975, 2) * 0.001 * np.sqrt(4 / 3)
    assert verdict["mean"] == 0.979
    assert verdict["low"] == pytest.approx(0.979 - half, abs=1e-6)
    assert verdict["high"] == pytest.approx(0.979 + half, abs=1e-6)


@pytest.mark.parametrize(
    ("published", "verdict"), [(0.9742, "holds"), (0.9739, "too low"), (0.9841, "too high")]
)
def test_verdicts(published: float, verdict: str) -> None:
    found = audit.judge(claim(published=published), runs([0.978, 0.979, 0.980]))
    assert found["verdict"] == verdict


def test_figures_on_other_images_than_ours_differ_by_the_draw_of_these() -> None:
    values = [0.9874, 0.9874, 0.9874]
    same = audit.judge(claim(published=0.988), runs(values))
    other = audit.judge(claim(source="S3", published=0.988), runs(values))
    assert (same["verdict"], other["verdict"]) == ("too high", "holds")
    deviation = np.sqrt(2 * 0.9874 * 0.0126 / 28_000 * (1 - 28 / 70))
    assert other["high"] - other["mean"] == pytest.approx(1.96 * deviation, abs=1e-6)


def test_no_accuracy_is_above_all_images() -> None:
    assert audit.judge(claim(), runs([0.9, 0.99, 0.999]))["high"] == 1
    loss = claim(figure="test_loss", published=0.9)
    assert audit.judge(loss, runs([0.9, 0.99, 0.999], "test_loss"))["high"] > 1


def test_what_one_seed_or_none_leaves_open_is_a_dash() -> None:
    verdicts = [audit.judge(claim(), runs(values)) for values in ([], [0.97])]
    rows = audit.tabulate(verdicts)
    assert rows["ours"].tolist() == ["-", "97.00"]
    assert rows["one more run, 95 %"].tolist() == ["-", "-"]


@pytest.mark.parametrize(
    ("values", "reason"), [([], "not run yet"), ([0.97], "one seed has no spread")]
)
def test_too_few_runs_tell_nothing(values: list[float], reason: str) -> None:
    verdict = audit.judge(claim(), runs(values))
    assert (verdict["verdict"], verdict["reason"]) == (audit.UNTOLD, reason)
    assert verdict["low"] is None


def test_what_no_training_repeats_says_why() -> None:
    verdict = audit.judge(claim(setting=None, untold="no weights"), runs([0.97] * 3))
    assert (verdict["verdict"], verdict["reason"]) == (audit.UNTOLD, "no weights")


def test_a_claim_with_a_reason_has_figures_and_no_verdict() -> None:
    verdict = audit.judge(claim(untold="theirs is another kind"), runs([0.978, 0.979, 0.980]))
    assert (verdict["verdict"], verdict["reason"]) == (audit.UNTOLD, "theirs is another kind")
    assert verdict["mean"] == 0.979


def test_losses_are_in_nats() -> None:
    one = claim(figure="test_loss", published=0.0774)
    verdicts = [audit.judge(one, runs([0.07, 0.08, 0.09], figure="test_loss"))]
    assert "| 0.0774" in audit.markdown(verdicts)
    assert "0.0800 ± 0.0100" in audit.markdown(verdicts)


def test_the_picture_has_a_row_for_each_accuracy_that_was_run() -> None:
    verdicts = [
        audit.judge(claim(), runs([0.978, 0.979, 0.980])),
        audit.judge(claim(figure="test_loss", published=0.1), runs([0.1] * 3, "test_loss")),
        audit.judge(claim(setting=None, untold="no weights"), runs([0.97])),
    ]
    (axes,) = audit.draw(verdicts).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["S1 dense, test"]
    published = next(line for line in axes.lines if line.get_marker() == "D")
    assert np.asarray(published.get_xdata()) == pytest.approx([2.25])


def test_every_claim_names_a_setting_of_the_study() -> None:
    path = ROOT / "studies/claims/claims.yaml"
    claims = config.check(audit.Claims, config.read_yaml(path), str(path)).claims
    study = yaml.safe_load((ROOT / "studies/claims/study.yaml").read_text(encoding="utf-8"))
    used = {one.setting for one in claims} - {None}
    assert used == set(study["settings"])
    assert {one.source for one in claims} == {"S0", "S1", "S2", "S3", "S4"}


def test_claims_in_the_readme_name_an_architecture_once_and_have_a_set() -> None:
    path = ROOT / "studies/claims/claims.yaml"
    claims = config.check(audit.Claims, config.read_yaml(path), str(path)).claims
    shown = [one for one in claims if one.architecture]
    assert len({one.architecture for one in shown}) == len(shown) == 7
    assert {one.architecture for one in shown} < set(
        config.load(ROOT / "params.yaml").architectures
    )
    assert {one.figure for one in shown} == {"dev_accuracy", "test_accuracy"}


@pytest.mark.parametrize(
    "changes", [{"setting": None}, {"mistake": 1}, {"figure": "speed"}, {"source": "S9"}]
)
def test_a_claim_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Claim"):
        claim(**changes)


def test_the_pages_get_the_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("docs/claims.md", "README.md"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(PAGE)
    audit.STUDY.mkdir(parents=True)
    (audit.STUDY / "claims.yaml").write_bytes((ROOT / "studies/claims/claims.yaml").read_bytes())
    with pytest.raises(PipelineError, match=r"runs.csv is missing; `dvc repro studies/claims"):
        audit.main()
    write_csv(audit.STUDY / "runs.csv", runs([0.978, 0.979, 0.980]))
    audit.main()
    for path in ("docs/claims.md", "README.md"):
        text = Path(path).read_text()
        assert text.startswith("a\n")
        assert "97.90 ± 0.10" in text
        assert "stale" not in text
    (audit.STUDY / "claims.yaml").write_text("claims: []\n")
    with pytest.raises(PipelineError, match="claims: List should have at least 1 item"):
        audit.main()
