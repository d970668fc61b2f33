"""The comparison as a Markdown table."""

from pathlib import Path
from typing import Any

import pytest

from digits.errors import PipelineError
from digits.evaluation import report
from digits.io import read_json


def architecture(name: str, published: dict[str, float]) -> dict[str, Any]:
    accuracy = {"train": 0.998, "dev": 0.991, "test": 0.9875, "test_as_published": 0.989}
    return {
        "name": name,
        "accuracy": accuracy,
        "loss": {"test": 0.04567},
        "test_interval": {"low": 0.98594, "high": 0.98889},
        "bias": -0.0005,
        "variance": 0.007,
        "parameters": 61706,
        "published": published,
        "difference": {kind: accuracy[kind] - claim for kind, claim in published.items()},
    }


def test_table_shows_every_architecture_in_order_and_the_pairs_not_told_apart() -> None:
    names = ["lenet5", "dense", "mine"]
    published: list[dict[str, float]] = [{"dev": 0.9905, "test": 0.9874}, {"dev": 0.9929}, {}]
    text = report.markdown(
        {
            "architectures": [architecture(*one) for one in zip(names, published, strict=True)],
            "best": {"name": "lenet5"},
            "pairs": [
                {"first": "lenet5", "second": "dense", "p_corrected": 0.05},
                {"first": "lenet5", "second": "mine", "p_corrected": 0.049},
            ],
        }
    )
    table, notes = text.split("\n\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")]
    figures = ["61,706", "99.80", "99.10", "98.75 [98.59, 98.89]", "0.0457", "-0.05", "+0.70"]
    assert cells[2:] == [
        ["lenet5", *figures, "test 98.74 (+0.01)"],
        ["dense", *figures, "dev 99.29 (-0.19)"],
        ["mine", *figures, ""],
    ]
    assert "Best on dev: lenet5." in notes
    assert notes.endswith("p >= 0.05): lenet5 and dense.")


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        ({"train": 0.98, "dev": 0.97, "test": 0.96}, ("test", 0.96)),
        ({"train": 0.98, "dev": 0.97}, ("dev", 0.97)),
        ({"train": 0.98}, None),
    ],
)
def test_claim_is_on_test_or_else_on_dev(
    published: dict[str, float], expected: tuple[str, float] | None
) -> None:
    assert report.claim(published) == expected


def test_the_table_goes_between_the_marks_and_nothing_else_changes() -> None:
    begin, end = "<!-- made by `make readme` -->\n", "<!-- end -->"
    text = f"# Title\n\n{begin}old\n{end}\n\nThe rest.\n"
    once = report.replace_table(text, "| new |")
    assert once == f"# Title\n\n{begin}| new |\n{end}\n\nThe rest.\n"
    assert report.replace_table(once, "| new |") == once


def test_a_text_without_the_marks_is_refused() -> None:
    with pytest.raises(PipelineError, match="expected the lines <!-- made by `make readme` -->"):
        report.replace_table("# Title\n", "| new |")


def test_the_readme_shows_the_committed_comparison() -> None:
    root = Path(__file__).parents[3]
    text = (root / "README.md").read_text(encoding="utf-8")
    table = report.markdown(read_json(root / "metrics/compare.json"))
    assert report.replace_table(text, table) == text
