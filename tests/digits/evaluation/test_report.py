"""The comparison as a Markdown table."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from digits.errors import PipelineError
from digits.evaluation import report

ROOT = Path(__file__).parents[3]
DOCS = sorted((ROOT / "docs").glob("*.md"))
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


def test_generated_text_goes_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    made = tmp_path / "tables.md"
    made.write_text("| new |\n")
    begin, end = f"<!-- made by `make docs` from {made} -->\n", "<!-- end -->"
    text = f"# Title\n\n{begin}old\n\nolder\n{end}\n\nThe rest.\n{begin}{end}\n"
    once = report.up_to_date(text)
    assert once == f"# Title\n\n{begin}| new |\n{end}\n\nThe rest.\n{begin}| new |\n{end}\n"
    assert report.up_to_date(once) == once
    made.unlink()
    with pytest.raises(PipelineError, match="brings it back"):
        report.up_to_date(text)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{one.name}" for one in DOCS)])
def test_the_generated_text_of_every_page_is_current(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    text = Path(page).read_text(encoding="utf-8")
    assert report.up_to_date(text) == text, "`make docs` brings it up to date"
    assert (
        text.count("<!-- made by") == text.count("<!-- end -->") == len(report.MADE.findall(text))
    )


def test_a_comparison_of_something_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("params.yaml", "studies/claims/claims.yaml", "metrics/compare/pairs.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    Path("metrics/compare/architectures.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PipelineError, match="is not what this project wrote: KeyError"):
        report.up_to_date("<!-- made by `make docs` from metrics/compare -->\n<!-- end -->\n")
