"""The comparison of all architectures as text, for the terminal and the README.

``python -m digits.evaluation.report README.md`` brings the table in the README up to date.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from digits.errors import PipelineError, run_stage
from digits.io import read_json, replacing

SIGNIFICANT = 0.05
END = "<!-- end -->"


def markdown(comparison: Mapping[str, Any]) -> str:
    """Write the content of metrics/compare.json as a Markdown table.

    Below it stand how to read it, which architecture dev picks, and which pairs the unseen test
    images do not tell apart.
    """
    chosen = comparison["best"]["name"]
    table = pd.DataFrame([_cells(one) for one in comparison["architectures"]])
    alike = [
        f"{pair['first']} and {pair['second']}"
        for pair in comparison["pairs"]
        if pair["p_corrected"] >= SIGNIFICANT
    ]
    brackets = "In brackets: the 95 % Wilson interval"
    if (table["published, %"] == "").all():
        table = table.drop(columns="published, %")
    else:
        brackets += "; ours minus the published figure, on the same set"
    align = ["left"] + (len(table.columns) - 1) * ["right"]
    return (
        table.to_markdown(index=False, disable_numparse=True, colalign=align)
        + f"\n\n{brackets}.\nBest on dev: {chosen}.\n"
        "Not told apart on the unseen test images (McNemar's "
        f"exact test, Holm's correction, p >= {SIGNIFICANT}): {', '.join(alike) or 'no pair'}."
    )


def replace_table(text: str, table: str, maker: str = "make readme") -> str:
    """Put ``table`` between the two marks in ``text``; the first says what command made it.

    Raises:
        PipelineError: a mark is missing.
    """
    mark = f"<!-- made by `{maker}` -->\n"
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not end:
        raise PipelineError(f"expected the lines {mark.strip()} and {END} around the table")
    return f"{before}{begin}{table}\n{end}{after}"


def claim(published: Mapping[str, float]) -> tuple[str, float] | None:
    """Return the published accuracy to hold ours against, and its set: test or else dev."""
    return next(((kind, published[kind]) for kind in ("test", "dev") if kind in published), None)


def _cells(one: Mapping[str, Any]) -> dict[str, str]:
    """Return an architecture's row of the table."""
    accuracy, interval = one["accuracy"], one["test_interval"]
    return {
        "architecture": one["name"],
        "parameters": f"{one['parameters']:,}",
        "train, %": _percent(accuracy["train"]),
        "dev, %": _percent(accuracy["dev"]),
        "unseen test, %": f"{_percent(accuracy['test'])} "
        f"[{_percent(interval['low'])}, {_percent(interval['high'])}]",
        "test loss": f"{one['loss']['test']:.4f}",
        "bias, %": f"{100 * one['bias']:+.2f}",
        "variance, %": f"{100 * one['variance']:+.2f}",
        "published, %": _published(one),
    }


def _published(one: Mapping[str, Any]) -> str:
    """Write the published accuracy and, in brackets, how far ours lies above it."""
    found = claim(one["published"])
    if found is None:
        return ""
    kind, accuracy = found
    return f"{kind} {_percent(accuracy)} ({100 * one['difference'][kind]:+.2f})"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def main() -> None:
    """Bring the table up to date in the file named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m digits.evaluation.report", description=__doc__)
    parser.add_argument("path", type=Path, help="a text with the two marks around its table")
    path = parser.parse_args().path
    metrics = Path("metrics/compare.json")
    for needed in (metrics, path):
        if not needed.exists():
            raise PipelineError(f"{needed} is missing; `git checkout {needed}` brings it back")
    try:
        table = markdown(read_json(metrics))
        text = replace_table(path.read_text(encoding="utf-8"), table)
    except (ValueError, TypeError, KeyError) as error:
        raise PipelineError(
            f"{metrics} or {path} is not what `dvc repro` and this project wrote: {error!r}"
        ) from None
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run_stage("report", main)
