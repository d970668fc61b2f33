"""Write the results as tables, bench/results/tables.md: python -m bench.report; then make docs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench import measuring
from digits.errors import PipelineError, run_stage
from digits.io import read_json, replacing

TABLES = Path("bench/results/tables.md")
TEXT = "what", "stage"  # columns


def main() -> None:
    """Write the tables of all results there are."""
    measuring.parser("report", __doc__).parse_args()
    results = [read_json(path) for path in sorted(measuring.RESULTS.glob("*.json"))]
    if not results:
        raise PipelineError(f"{measuring.RESULTS} is empty; `make bench` fills it")
    with replacing(TABLES) as temporary:
        temporary.write_text(markdown(results) + "\n", encoding="utf-8")
    print(f"wrote {TABLES}; `make docs` puts it into docs/performance.md")


def markdown(results: list[dict[str, Any]]) -> str:
    """Write tables of comparisons and of growth, as far as there are, and the machines."""
    machines = list(dict.fromkeys(_machine(result["machine"]) for result in results))
    figures = [
        (one, {"day": one["day"], "machine": machines.index(_machine(result["machine"])) + 1})
        for result in results
        for one in result["figures"]
    ]
    tables = []
    for key, row in (("ours", _comparison), ("times", _growth)):
        of_kind = [one for one in figures if key in one[0]]
        if key == "times":
            of_kind.sort(key=lambda one: one[0]["times"])
        if of_kind:
            table = pd.DataFrame([row(one) | where for one, where in of_kind])
            align = ["left" if name in TEXT else "right" for name in table]
            tables.append(table.to_markdown(index=False, disable_numparse=True, colalign=align))
    numbered = (f"{number}. {one}" for number, one in enumerate(machines, 1))
    return "\n\n".join([*tables, "Machines:", "\n".join(numbered)])


def _comparison(one: Mapping[str, Any]) -> dict[str, str]:
    """Return a comparison's row; of a single figure, what it was compared with stays empty."""
    spreads = {
        name: "{median:,.10g} [{lowest:,.10g}, {highest:,.10g}]".format(**one[name])
        if name in one
        else ""
        for name in ("ours", "other", "ratio")
    }
    if "mean" in one:
        spreads["ours"] += f", mean {one['mean']:.2f}"
    what = one["what"] + (f" ({one['note']})" if "note" in one else "")
    return {"what": what, "unit": one["unit"], **spreads, "wanted": one["wanted"]}


def _growth(one: Mapping[str, Any]) -> dict[str, str]:
    """Return the row of a stage on so many copies of the data."""
    return {
        "stage": one["stage"],
        "data": f"{one['times']}x",
        "seconds": f"{one['seconds']:,.1f}",
        "time an image, of that at 1x": f"{one['seconds_an_image']:.2f}",
        "wanted": "<= 1.20",
        "of that at the size before": f"{one['of_the_size_before']:.2f}",
        "CPU time, of that at 1x": f"{one['processor_an_image']:.2f}",
        "memory, MB": f"{one['megabytes']:,}",
        "wanted, MB": f"<= {one['megabytes_wanted']:,}",
    }


def _machine(machine: Mapping[str, Any]) -> str:
    """Write what was measured on."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    limit = machine.get("onednn_max_cpu_isa")
    limited = f", oneDNN with {limit} at most" if limit else ""
    return (
        f"{machine['processor']}, {machine['processors']} CPU cores, {machine['memory_gb']} GB; "
        f"{machine['system']}, Python {machine['python']}; {packages}{limited}."
    )


if __name__ == "__main__":
    run_stage("bench", main)
