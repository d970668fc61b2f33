"""The comparison of all architectures as text, and all generated text of the pages.

``python -m digits.evaluation.report`` (`make docs`) makes README.md and docs/ say what metrics/ and
the studies' results hold. A page has a mark with the file that its text comes from, and an end.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from digits import config
from digits.errors import PipelineError, run_stage
from digits.io import replacing

COMPARED = Path("metrics/compare")
CLAIMS = Path("studies/claims/claims.yaml")
SIGNIFICANT = 0.05
END = "<!-- end -->"
MADE = re.compile(rf"(<!-- made by `make docs` from (\S+) -->\n).*?{END}", re.DOTALL)

Published = Mapping[str, tuple[str, float]]


def markdown(
    architectures: pd.DataFrame, pairs: pd.DataFrame, published: Published | None = None
) -> str:
    """Write what `digits.evaluation.comparison.tabulate` returns as a Markdown table.

    Below it stand how to read it, which architecture dev picks (then the lower dev loss), and which
    pairs do not differ significantly on test.

    Args:
        architectures: a row for each.
        pairs: a row for every two.
        published: by architecture, the set and the accuracy ([0, 1]) that its article reports.
    """
    rows = [_cells(one, published) for one in architectures.to_dict("records")]
    table = pd.DataFrame(rows)
    best = architectures.sort_values(["dev", "dev_loss"], ascending=[False, True], kind="stable")
    alike = pairs[pairs["p_corrected"] >= SIGNIFICANT]
    names = ", ".join(alike["first"] + " and " + alike["second"]) or "no pair"
    brackets = "In brackets: the 95 % Wilson interval"
    if published:
        brackets += "; ours minus the published figure, on the same set"
    align = ["left"] + (len(table.columns) - 1) * ["right"]
    return (
        table.to_markdown(index=False, disable_numparse=True, colalign=align)
        + f"\n\n{brackets}.\nBest on dev: {best['architecture'].iloc[0]}.\n"
        "No significant difference on the test images (McNemar's "
        f"exact test, Holm's correction, p >= {SIGNIFICANT}): {names}."
    )


def read(folder: Path = COMPARED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the architectures and the pairs that the compare stage wrote.

    Raises:
        ValueError: a file is no table.
        FileNotFoundError: a file is missing.
    """
    return pd.read_csv(folder / "architectures.csv"), pd.read_csv(folder / "pairs.csv")


def read_published(path: Path = CLAIMS) -> Published:
    """Return what the articles report of the architectures that a claim names."""
    return {
        claim["architecture"]: (claim["metric"].removesuffix("_accuracy"), claim["published"])
        for claim in config.read_yaml(path)["claims"]
        if "architecture" in claim
    }


def _cells(one: dict[Any, Any], published: Published | None) -> dict[str, str]:
    """Return an architecture's row of the table."""
    train, dev, test, low, high = (
        f"{100 * one[name]:.2f}" for name in ("train", "dev", "test", "test_low", "test_high")
    )
    cells = {
        "architecture": one["architecture"],
        "parameters": f"{one['parameters']:,}",
        "train, %": train,
        "dev, %": dev,
        "test, %": f"{test} [{low}, {high}]",
        "test loss": f"{one['test_loss']:.4f}",
        "bias, %": f"{100 * one['bias']:+.2f}",
        "variance, %": f"{100 * one['variance']:+.2f}",
    }
    if published:
        kind, claim = published.get(one["architecture"], ("", 0))
        difference = 100 * (one[kind] - claim) if kind else 0
        cells["published, %"] = f"{kind} {100 * claim:.2f} ({difference:+.2f})" if kind else ""
    return cells


def main() -> None:
    """Bring all generated text up to date."""
    argparse.ArgumentParser(
        prog="python -m digits.evaluation.report", description=__doc__
    ).parse_args()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (current := up_to_date(text)) != text:
            with replacing(page) as temporary:
                temporary.write_text(current, encoding="utf-8")
            print(f"{page}: brought up to date")


def pages() -> list[Path]:
    """Return the pages that may have generated text."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def up_to_date(text: str) -> str:
    """Return the text of a page with what is generated made anew.

    Raises:
        PipelineError: what it is made from is missing, or not what this project wrote.
    """
    return MADE.sub(lambda found: f"{found[1]}{_made_from(Path(found[2]))}\n{END}", text)


def _made_from(path: Path) -> str:
    try:
        if path != COMPARED:
            return path.read_text(encoding="utf-8").rstrip()
        on_mnist = config.load().dataset == "mnist"  # the only data set that the articles report on
        return markdown(*read(), read_published() if on_mnist else None)
    except FileNotFoundError as error:
        missing = error.filename
        raise PipelineError(
            f"{missing} is missing; `git checkout {missing}` brings it back"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise PipelineError(f"{path} is not what this project wrote: {error!r}") from None


if __name__ == "__main__":
    run_stage("report", main)
