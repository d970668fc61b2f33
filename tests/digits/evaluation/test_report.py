from pathlib import Path

import pandas as pd
import pytest

from digits.errors import PipelineError
from digits.evaluation import report
from tests.workspace import ROOT

DOCS = sorted((ROOT / "docs").glob("*.md"))
FIGURES = {
    **{"parameters": 61706, "train": 0.998, "dev": 0.991, "dev_loss": 0.05, "test_loss": 0.04567},
    **{"test": 0.9875, "test_low": 0.98594, "test_high": 0.98889},
    **{"bias": -0.0005, "bias_low": -0.0007, "bias_high": 0.0004},
    **{"variance": 0.007, "variance_low": 0.003, "variance_high": 0.012},
    **{"test_variance": 0.0105, "test_variance_low": 0.0089, "test_variance_high": 0.0122},
}
PAIRS = ["first", "second", "planned", "p_corrected"]
CELLS = [
    *("61,706", "99.80", "99.10", "98.75 [98.59, 98.89]", "0.0457"),
    *("-0.05 [-0.07, +0.04]", "+0.70 [+0.30, +1.20]", "+1.05 [+0.89, +1.22]"),
]


def architectures(*changes: dict[str, float], **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame([FIGURES | one for one in changes]).assign(**columns)


def cells(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table's rows, without its head."""
    lines = text.split("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_table_shows_every_architecture_in_order_and_the_pairs_that_do_not_differ() -> None:
    names = ["lenet5", "dense", "mine", "mine_plain"]
    pairs = pd.DataFrame(
        [
            ("lenet5", "dense", False, 0.05),
            ("lenet5", "mine", False, 0.049),
            ("mine", "mine_plain", True, 0.002),
        ],
        columns=PAIRS,
    )
    table = architectures({}, {}, {}, {"test": 0.98}, architecture=names)
    text = report.markdown(table, pairs)
    changed = [*CELLS[:3], "98.00 [98.59, 98.89]", *CELLS[4:]]
    assert cells(text) == [*([name, *CELLS] for name in names[:3]), ["mine_plain", *changed]]
    assert "accuracy: mine - mine_plain +0.75 (p = 0.002)." in text
    assert "difference on the test images: lenet5 and dense. (Mc" in text

    alone = report.markdown(architectures({}, architecture=["mine"]), pairs[:0])
    assert cells(alone) == [["mine", *CELLS]]
    assert "Same network" not in alone
    assert "images: none." in alone


def test_the_best_has_the_highest_dev_accuracy_then_the_lowest_dev_loss() -> None:
    changes = {"dev": 0.9, "dev_loss": 0.1}, {"dev": 0.99, "dev_loss": 0.3}, {"dev": 0.99}
    table = architectures(*changes, architecture=["low", "high", "equal"])
    pairs = pd.DataFrame(columns=PAIRS).astype({"planned": bool})
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
def test_generated_text_of_a_page_is_current(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = Path(page).read_text(encoding="utf-8")
    assert report.up_to_date(text) == text, "`make docs` brings it up to date"
    marks = [text.count("<!-- made by"), text.count("<!-- end -->")]
    assert marks == [len(report.MADE.findall(text))] * 2


def test_a_comparison_of_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "read", lambda: 2 * [pd.DataFrame({"a": [1]})])
    with pytest.raises(PipelineError, match="is not what this project wrote: KeyError"):
        report.up_to_date("<!-- made by `make docs` from metrics/compare -->\n<!-- end -->\n")
