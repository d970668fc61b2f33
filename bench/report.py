"""Write the results as a table, bench/results.md: python -m bench.report; then make docs."""

import pandas as pd

from bench import measuring
from digits.errors import run_stage
from digits.io import replacing

TABLE = measuring.RESULTS.with_suffix(".md")


def main() -> None:
    """Write the table of all results there are."""
    measuring.parser("report", __doc__).parse_args()
    with replacing(TABLE) as temporary:
        temporary.write_text(f"{markdown(measuring.read())}\n", encoding="utf-8")
    print(f"wrote {TABLE.name}; `make docs` puts it into docs/performance.md")


def markdown(results: pd.DataFrame) -> str:
    """Write a row for each result, and the machines."""
    numbers, machines = pd.factorize(results["machine"])
    table = results.drop(columns="code").assign(machine=numbers + 1)
    align = ["left"] + (len(table.columns) - 1) * ["right"]
    rows = table.to_markdown(index=False, disable_numparse=True, colalign=align)
    numbered = (f"{number}. {machine}." for number, machine in enumerate(machines, 1))
    return "\n".join([rows, "", "Machines:", "", *numbered])


if __name__ == "__main__":
    run_stage("bench", main)
