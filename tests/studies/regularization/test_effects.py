"""The effects of the factorial: held against other computations, and against studies of nothing."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from digits.errors import PipelineError
from digits.io import read_json
from studies import study
from studies.regularization import analysis, page

FACTORS = ["augmentation", "l2", "dropout", "batch_norm", "plateau"]
IMAGES = 1000
LABELS = np.random.default_rng(6).integers(0, 10, IMAGES, np.uint8)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Return the rows of a study in which augmentation alone matters: it halves the error."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "setting": f"{prefix}{name or 'none'}",
            "images": 10_000,
            "seed": block,
            "test_accuracy": 1 - (0.01 if "a" in name else 0.02) * np.exp(rng.normal(0, 0.05)),
            "train_accuracy": 0.995 + rng.normal(0, 0.0001),
            "test_loss": 0.05 * np.exp(rng.normal(0, 0.05)),
        }
        for prefix, blocks in (("short_", (1, 2, 3, 4)), ("long_", (1,)))
        for name in combinations(prefix == "long_")
        for block in blocks
    )


def combinations(half: bool) -> list[str]:
    every = ["".join(n) for k in range(6) for n in itertools.combinations("aldbp", k)]
    return [name for name in every if len(name) % 2 or not half]


@pytest.fixture
def design(in_root: None) -> study.Study:
    return study.read("regularization")


@pytest.fixture
def coded(rows: pd.DataFrame, design: study.Study) -> pd.DataFrame:
    return analysis.code(rows, design, "short_")


def test_every_combination_is_trained_on_every_sample(design: study.Study) -> None:
    short = [name.removeprefix("short_") for name in design.settings if name.startswith("short_")]
    long = [name.removeprefix("long_") for name in design.settings if name.startswith("long_")]
    assert sorted(short) == sorted(name or "none" for name in combinations(half=False))
    assert sorted(long) == sorted(combinations(half=True))
    recipes = {name: recipe for name, _, recipe in study.recipes(design, "regularization")}
    none, whole = recipes["short_none"], recipes["short_aldbp"]
    assert (none.l2, none.dropout, none.dropout_head, none.batch_norm) == (0, 0, 0, False)
    assert (none.schedule.name, none.augment.rotation) == ("constant", 0)
    assert (whole.l2, whole.dropout, whole.dropout_head) == (5e-4, 0.25, 0.25)
    assert whole.batch_norm
    assert (whole.schedule.name, whole.augment.rotation) == ("plateau", 10)
    assert recipes["long_aldbp"] == whole.model_copy(update={"epochs": 30})


def test_an_effect_is_the_mean_with_minus_the_mean_without(coded: pd.DataFrame) -> None:
    found: Any = analysis.effects(coded, FACTORS, "gap").set_index("term")
    means: Any = coded.groupby("augmentation")["gap"].mean()
    assert found.loc["augmentation", "effect"] == pytest.approx(means[1] - means[-1], abs=1e-6)
    by_two: Any = coded.groupby(["l2", "dropout"])["gap"].mean()
    changed = (by_two[1, 1] - by_two[-1, 1]) - (by_two[1, -1] - by_two[-1, -1])
    assert found.loc["l2:dropout", "effect"] == pytest.approx(changed / 2, abs=1e-6)
    by_block: Any = pd.DataFrame(analysis.by_block(coded, FACTORS)).groupby("term")["gap"]
    assert (by_block.count() == 4).all()
    assert by_block.mean()["l2"] == pytest.approx(found.loc["l2", "effect"], abs=1e-6)


def test_errors_and_p_are_those_of_another_computation(coded: pd.DataFrame) -> None:
    # HC3 after MacKinnon and White (1985), equation 12.
    signs = coded[FACTORS].to_numpy(float)
    pairs = [signs[:, i] * signs[:, j] for i, j in itertools.combinations(range(5), 2)]
    blocks = (coded["block"].to_numpy()[:, None] == np.unique(coded["block"])).astype(float)
    design = np.column_stack([blocks, signs, *pairs])
    inverse = np.linalg.inv(design.T @ design)
    values = coded["gap"].to_numpy()
    coefficients = inverse @ design.T @ values
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    scaled = ((values - design @ coefficients) / (1 - leverage)) ** 2
    errors = np.sqrt(np.diag(inverse @ (design.T * scaled) @ design @ inverse))
    p = 2 * stats.t.sf(np.abs(coefficients / errors), len(values) - design.shape[1])
    found = analysis.effects(coded, FACTORS, "gap")
    assert found["se"].to_numpy() == pytest.approx(2 * errors[4:], abs=1e-6)
    assert found["p"].to_numpy() == pytest.approx(p[4:])
    assert analysis.freedom(coded, FACTORS) == len(values) - design.shape[1]


def test_the_effect_on_a_logarithm_is_a_ratio(coded: pd.DataFrame) -> None:
    found: Any = analysis.effects(coded, FACTORS, "test_error").set_index("term")
    assert found.loc["augmentation", "effect"] == pytest.approx(-0.5, abs=0.02)
    assert found.loc["augmentation", "p_corrected"] < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("among", "errors"),
    [("block > 0", "HC3"), ("block < 4 and plateau == 1", "HC2"), ("block == 1", "HC2")],
)
def test_studies_without_any_effect_find_one_in_at_most_six_percent(
    coded: pd.DataFrame, among: str, errors: str
) -> None:
    rng = np.random.default_rng(5)
    rows = coded.query(among)
    factors = [factor for factor in FACTORS if rows[factor].nunique() == 2]
    covered, false = [], []
    for _ in range(2000):
        found: Any = analysis.effects(
            rows.assign(gap=rng.normal(0, 1, len(rows))), factors, "gap", errors=errors
        )
        covered.append(((found["low"] < 0) & (found["high"] > 0)).mean())
        main = found[found["order"] == 1]
        false.append((main["p_corrected"] < 0.05).any())
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(false) < 0.06


@pytest.mark.parametrize(("spread", "equivalent"), [(0.0001, True), (0.01, False)])
def test_l2_is_equivalent_to_none_where_its_effect_is_surely_small(
    coded: pd.DataFrame, spread: float, equivalent: bool
) -> None:
    noise = np.random.default_rng(2).normal(0, spread, len(coded))
    found = analysis.equivalence(coded.assign(test_error_points=noise), FACTORS, "l2")
    assert found["equivalent"] is equivalent


def test_bias_and_variance_add_up_to_the_score(tmp_path: Path, coded: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    one = coded[coded["setting"] == "short_none"]
    keep(tmp_path, one, LABELS, rng)
    found = analysis.decompose(one, tmp_path, LABELS).iloc[0]
    kept = analysis.read_kept(one, tmp_path, "test_rounded", (IMAGES, 10)) / 255
    score = ((kept - np.eye(10)[LABELS]) ** 2).sum(axis=2).mean()
    assert found["brier_bias"] + found["brier_variance"] == pytest.approx(score, rel=1e-5)
    pairs = [((a - b) ** 2).sum(axis=1).mean() / 2 for a, b in itertools.combinations(kept, 2)]
    assert found["brier_variance"] == pytest.approx(np.mean(pairs), rel=1e-5)


def test_an_addition_is_held_against_the_whole_recipe_of_its_block(
    rows: pd.DataFrame, design: study.Study
) -> None:
    whole = rows[rows["setting"] == "short_aldbp"].sort_values("seed")
    factors = {"mixup": [0.5, 0.6, 0.7, 0.8], "label_smoothing": [1.1, 0.9, 1.05, 0.95]}
    added = [
        whole.assign(setting=name, test_accuracy=1 - np.array(by) * (1 - whole["test_accuracy"]))
        for name, by in factors.items()
    ]
    one_block = whole[:1].assign(setting="weight_decay")
    found = analysis.additions(design, pd.concat([rows, *added, one_block]))
    assert [one["setting"] for one in found] == ["label_smoothing", "mixup"]
    expected = stats.ttest_1samp(np.log(factors["mixup"]), 0)
    low, high = expected.confidence_interval()
    assert found[1]["effect"] == pytest.approx(np.prod(factors["mixup"]) ** 0.25 - 1, abs=1e-5)
    ends = np.expm1(low), np.expm1(high)
    assert (found[1]["low"], found[1]["high"]) == pytest.approx(ends, abs=1e-5)
    assert found[1]["p_corrected"] == pytest.approx(2 * expected.pvalue, rel=1e-2)
    points = np.mean((np.array(factors["mixup"]) - 1) * (1 - whole["test_accuracy"]))
    assert found[1]["points"] == pytest.approx(points, abs=1e-5)


def test_labels_of_another_split_are_refused(tmp_path: Path, coded: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    keep(tmp_path, coded, LABELS, rng)
    with pytest.raises(PipelineError, match="has another split than the runs had"):
        analysis.decompose(coded, tmp_path, rng.permutation(LABELS))


def test_an_incomplete_block_is_left_out(rows: pd.DataFrame, design: study.Study) -> None:
    last = rows.index[(rows["setting"] == "short_a") & (rows["seed"] == 3)]
    assert set(analysis.code(rows.drop(last), design, "short_")["block"]) == {1, 2, 4}
    without = rows[rows["setting"] != "short_a"]
    with pytest.raises(PipelineError, match="two seeds must have all settings"):
        analysis.describe(design, without, Path(), np.zeros(IMAGES, np.uint8))


def test_the_page_says_what_was_found(
    tmp_path: Path, rows: pd.DataFrame, design: study.Study
) -> None:
    rng = np.random.default_rng(4)
    keep(tmp_path, rows, LABELS, rng)
    described = analysis.describe(design, rows, tmp_path, LABELS)
    found = page.findings(described)
    first, _, _, _, *rest, _, last = found.tables["answer.md"].splitlines()
    assert first.startswith("**Augmentation (by 50 %) lowers the test error; ")
    assert first.endswith("have no significant effect on it.**")
    assert len(rest) == 5
    half = r"\| +-(50|49) \[-\d\d, -\d\d\]\* \|"
    assert re.fullmatch(rf"\| augmentation +{half} .* < 0\.001 {half}", rest[0])
    assert last.startswith("128 trainings: every combination on 4 samples. A star: p < 0.05. Excl")
    assert re.search(r"\| augmentation +\| .* \| consistent +\|", found.tables["decomposition.md"])
    assert "with a probability of 80 %" in found.tables["checks.md"]
    assert set(found.figures) == {"effects.png", "interactions.png"}
    (drawn,) = [one for one in described["bootstrap"] if one["term"] == "augmentation"]
    assert drawn["low"] < 0 < drawn["high"]  # what was kept here is chance


@pytest.mark.usefixtures("in_root")
def test_the_committed_tables_are_of_the_summary_and_no_text_of_the_pictures_is_cut_off() -> None:
    results = Path("studies/regularization/results")
    found = page.findings(read_json(results / "summary.json"))
    assert {name: (results / name).read_text() for name in found.tables} == {
        name: f"{text}\n" for name, text in found.tables.items()
    }
    for figure in found.figures.values():
        figure.draw_without_rendering()
        ends = [text.get_window_extent() for text in figure.texts]
        assert min(end.x0 for end in ends) >= 0
        assert max(end.x1 for end in ends) <= figure.bbox.width


def keep(
    folder: Path, rows: pd.DataFrame, labels: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    """Write what the runs kept: random predictions."""
    (folder / "runs").mkdir()
    for row in rows.itertuples():
        probabilities: NDArray[Any] = rng.dirichlet(np.ones(10), IMAGES)
        np.savez(
            folder / f"runs/{row.setting}-{row.images}-{row.seed}.npz",
            test_rounded=np.rint(probabilities * 255).astype(np.uint8),
            test_correct=np.packbits(probabilities.argmax(axis=1) == labels),
        )
