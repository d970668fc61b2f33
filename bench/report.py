"""Put the figures of bench/results/ into docs/performance.md: python -m bench.report."""

import argparse
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from bench.measuring import RESULTS
from digits.errors import PipelineError, run_stage
from digits.evaluation import report
from digits.io import read_json, replacing

PAGE = Path("docs/performance.md")
TEXT = "what", "stage", "where it goes"  # columns


def main() -> None:
    """Write the tables of all results there are."""
    argparse.ArgumentParser(prog="python -m bench.report", description=__doc__).parse_args()
    results = [read_json(path) for path in sorted(RESULTS.glob("*.json"))]
    if not results:
        raise PipelineError(f"{RESULTS} is empty; `make bench` fills it")
    if not PAGE.is_file():
        raise PipelineError(f"{PAGE} is missing; `git checkout {PAGE}` brings it back")
    text = report.replace_table(PAGE.read_text(encoding="utf-8"), markdown(results), "make bench")
    with replacing(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")


def markdown(results: list[dict[str, Any]]) -> str:
    """Write tables of comparisons, growth and profiles, as far as there are, and the machines."""
    machines = list(dict.fromkeys(_machine(result["machine"]) for result in results))
    figures = [
        {**figure, "machine": machines.index(_machine(result["machine"])) + 1}
        for result in results
        for figure in result["figures"]
    ]
    compared = pd.DataFrame([_row(one) for one in figures if "ours" in one])
    growth = sorted((one for one in figures if "stage" in one), key=itemgetter("times"))
    grown = pd.DataFrame([_growth(one) for one in growth])
    profiled = pd.DataFrame([_profile(one) for one in figures if "parts" in one])
    tables = [
        table.to_markdown(
            index=False,
            disable_numparse=True,
            colalign=["left" if name in TEXT else "right" for name in table],
        )
        for table in (compared, grown, profiled)
        if len(table)
    ]
    numbered = (f"{number}. {one}" for number, one in enumerate(machines, 1))
    return "\n\n".join([*tables, "Machines:", "\n".join(numbered)])


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    """Return a comparison's row; of a single figure, what it was held against stays empty."""
    return {
        "what": one["what"] + (f" ({one['note']})" if "note" in one else ""),
        "unit": one["unit"],
        "ours": _spread(one["ours"]) + (f", mean {one['mean']:.2f}" if "mean" in one else ""),
        "other": _spread(one["other"]) if "other" in one else "",
        "ratio": _spread(one["ratio"]) if "ratio" in one else "",
        "wanted": one["wanted"],
        "day": one["day"],
        "machine": one["machine"],
    }


def _growth(one: Mapping[str, Any]) -> dict[str, str]:
    """Return the row of a stage on so many copies of the data."""
    return {
        "stage": one["stage"],
        "data": f"{one['times']}x",
        "seconds": f"{one['seconds']:,.1f}",
        "time an image, of that at 1x": f"{one['seconds_an_image']:.2f}",
        "wanted": "<= 1.20",
        "of that at the size before": f"{one['of_the_size_before']:.2f}",
        "processor time, of that at 1x": f"{one['processor_an_image']:.2f}",
        "memory, MB": f"{one['megabytes']:,}",
        "wanted, MB": f"<= {one['megabytes_wanted']:,}",
        "day": one["day"],
        "machine": one["machine"],
    }


def _profile(one: Mapping[str, Any]) -> dict[str, str]:
    """Return the row of what was profiled, its parts from the largest on."""
    parts = sorted(one["parts"].items(), key=lambda part: -part[1])
    return {
        "what": one["profile"],
        "ms": f"{one['milliseconds']:,}" if "milliseconds" in one else "",
        "where it goes": ", ".join(f"{name} {share:.0%}" for name, share in parts),
        "day": one["day"],
        "machine": one["machine"],
    }


def _spread(values: Mapping[str, float]) -> str:
    """Write the median, with lowest and highest in brackets."""
    low, middle, high = (f"{values[name]:,.10g}" for name in ("lowest", "median", "highest"))
    return f"{middle} [{low}, {high}]"


def _machine(machine: Mapping[str, Any]) -> str:
    """Write what was measured on."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    limit = machine.get("onednn_max_cpu_isa")
    limited = f", oneDNN with {limit} at most" if limit else ""
    return (
        f"{machine['processor']}, {machine['processors']} processors, {machine['memory_gb']} GB; "
        f"{machine['system']}, Python {machine['python']}; {packages}{limited}."
    )


if __name__ == "__main__":
    run_stage("bench", main)
