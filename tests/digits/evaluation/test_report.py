"""The comparison as a Markdown table."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from digits.errors import PipelineError
from digits.evaluation import report

ROOT = Path(__file__).parents[3]
FIGURES = {
    "parameters": 61706,
    "train": 0.998,
    "dev": 0.991,
    "dev_loss": 0.05,
    "test": 0.9875,
    "test_low": 0.98594,
    "test_high": 0.98889,
    "test_loss": 0.04567,
    "bias": -0.0005,
    "variance": 0.007,
}
CELLS = ["61,706", "99.80", "99.10", "98.75 [98.59, 98.89]", "0.0457", "-0.05", "+0.70"]


def architectures(*changes: dict[str, float], **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame([FIGURES | one for one in changes]).assign(**columns)


def cells(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table's rows, without its head."""
    lines = text.split("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_table_shows_every_architecture_in_order_and_the_pairs_that_do_not_differ() -> None:
    names = ["lenet5", "dense", "mine"]
    pairs = pd.DataFrame(
        {"first": 2 * ["lenet5"], "second": names[1:], "p_corrected": [0.05, 0.049]}
    )
    published = {"lenet5": ("test", 0.9874), "dense": ("dev", 0.9929), "gone": ("test", 1.0)}
    text = report.markdown(architectures({}, {}, {}, architecture=names), pairs, published)
    assert cells(text) == [
        ["lenet5", *CELLS, "test 98.74 (+0.01)"],
        ["dense", *CELLS, "dev 99.29 (-0.19)"],
        ["mine", *CELLS, ""],
    ]
    assert "ours minus the published figure" in text
    assert text.endswith("p >= 0.05): lenet5 and dense.")

    alone = report.markdown(architectures({}, architecture=["mine"]), pairs[:0])
    assert cells(alone) == [["mine", *CELLS]]
    assert "published" not in alone
    assert alone.endswith("no pair.")


def test_the_best_has_the_highest_dev_accuracy_then_the_lowest_dev_loss() -> None:
    changes = {"dev": 0.9, "dev_loss": 0.1}, {"dev": 0.99, "dev_loss": 0.3}, {"dev": 0.99}
    table = architectures(*changes, architecture=["low", "high", "equal"])
    pairs = pd.DataFrame(columns=["first", "second", "p_corrected"])
    assert "Best on dev: equal." in report.markdown(table, pairs)
    assert "Best on dev: high." in report.markdown(table[:2], pairs)


def test_the_table_goes_between_the_marks_and_nothing_else_changes() -> None:
    begin, end = "<!-- made by `make readme` -->\n", "<!-- end -->"
    text = f"# Title\n\n{begin}old\n{end}\n\nThe rest.\n"
    once = report.replace_table(text, "| new |")
    assert once == f"# Title\n\n{begin}| new |\n{end}\n\nThe rest.\n"
    assert report.replace_table(once, "| new |") == once


def test_a_text_without_the_marks_is_refused() -> None:
    with pytest.raises(PipelineError, match="expected the lines <!-- made by `make readme` -->"):
        report.replace_table("# Title\n", "| new |")


def test_the_readme_shows_the_committed_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    page = tmp_path / "README.md"
    page.write_text(report.replace_table(text, "| old |"), encoding="utf-8")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["report", str(page)])
    report.main()
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"architectures.csv is missing; `git checkout"),
        (lambda path: path.write_text("a,b\n1,2\n"), "is not what this project wrote: KeyError"),
    ],
)
def test_a_missing_or_other_comparison_is_told(
    damage: Callable[[Path], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (
        "params.yaml",
        "README.md",
        "metrics/compare/architectures.csv",
        "metrics/compare/pairs.csv",
        "studies/claims/claims.yaml",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["report", "README.md"])
    damage(tmp_path / "metrics/compare/architectures.csv")
    with pytest.raises(PipelineError, match=message):
        report.main()
