"""The comparison of all architectures as text, and all generated text of the pages.

``python -m digits.evaluation.report`` (`make docs`) makes README.md and docs/ say what metrics/ and
the studies' results hold. A page has a mark with the file that its text comes from, and an end.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from digits.errors import PipelineError, command_line, run_stage
from digits.io import replacing

COMPARED = Path("metrics/compare")
SIGNIFICANT = 0.05
END = "<!-- end -->"
MADE = re.compile(rf"(<!-- made by `make docs` from (\S+) -->\n).*?{END}", re.DOTALL)


def markdown(architectures: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Write what `digits.evaluation.metrics.tabulate` returns as a Markdown table.

    Below it stand how to read it, which architecture dev picks (then the lower dev loss), what the
    planned comparisons found, and which other pairs do not differ significantly on test.
    """
    table = pd.DataFrame([_cells(one) for one in architectures.to_dict("records")])
    best = architectures.sort_values(["dev", "dev_loss"], ascending=[False, True], kind="stable")
    test = architectures.set_index("architecture")["test"]
    planned, others = pairs[pairs["planned"]], pairs[~pairs["planned"]]
    found = [
        f"{one['first']} - {one['second']} "
        f"{100 * (test[one['first']] - test[one['second']]):+.2f} (p = {one['p_corrected']:.2g})"
        for one in planned.to_dict("records")
    ]
    alike = others[others["p_corrected"] >= SIGNIFICANT]
    names = ", ".join(alike["first"] + " and " + alike["second"]) or "none"
    align = ["left"] + (len(table.columns) - 1) * ["right"]
    lines = [
        str(table.to_markdown(index=False, disable_numparse=True, colalign=align)),
        "",
        "Percent and percentage points; in brackets: 95 % intervals. "
        f"Best on dev: {best['architecture'].iloc[0]}.",
        *([f"Same network, other recipe, test accuracy: {'; '.join(found)}."] if found else []),
        f"Other pairs without a significant difference on the test images: {names}. (McNemar's "
        f"exact test, Holm's correction over each of these two groups, p < {SIGNIFICANT}.)",
    ]
    return "\n".join(lines)


def read(folder: Path = COMPARED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the architectures and the pairs that the compare stage wrote."""
    return pd.read_csv(folder / "architectures.csv"), pd.read_csv(folder / "pairs.csv")


def _cells(one: dict[Any, Any]) -> dict[str, str]:
    """Return an architecture's row of the table."""

    def interval(name: str, sign: str = "") -> str:
        value, low, high = (100 * one[f"{name}{end}"] for end in ("", "_low", "_high"))
        return f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"

    return {
        "architecture": one["architecture"],
        "parameters": f"{one['parameters']:,}",
        "train": f"{100 * one['train']:.2f}",
        "dev": f"{100 * one['dev']:.2f}",
        "test": interval("test"),
        "test loss": f"{one['test_loss']:.4f}",
        "bias": interval("bias", "+"),
        "variance (dev)": interval("variance", "+"),
        "variance (test)": interval("test_variance", "+"),
    }


def main() -> None:
    """Bring all generated text up to date."""
    command_line("digits.evaluation.report", __doc__).parse_args()
    for page in [Path("README.md"), *sorted(Path("docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        if (current := up_to_date(text)) != text:
            with replacing(page) as temporary:
                temporary.write_text(current, encoding="utf-8")
            print(f"{page}: brought up to date")


def up_to_date(text: str) -> str:
    """Return the text of a page with what is generated made anew.

    Raises PipelineError if what it is made from is missing, or not what this project wrote.
    """
    return MADE.sub(lambda found: f"{found[1]}{_made_from(Path(found[2]))}\n{END}", text)


def _made_from(path: Path) -> str:
    try:
        if path != COMPARED:
            return path.read_text(encoding="utf-8").rstrip()
        return markdown(*read())
    except FileNotFoundError as error:
        name = error.filename
        raise PipelineError(f"{name} is missing; `git checkout {name}` brings it back") from None
    except (ValueError, TypeError, KeyError) as error:
        raise PipelineError(f"{path} is not what this project wrote: {error!r}") from None


if __name__ == "__main__":
    run_stage("report", main)
