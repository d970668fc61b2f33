"""What the benchmarks share: commands that take turns, what they took, and on what machine."""

import datetime
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple, TypeVar

import pandas as pd
import psutil

from digits.commands import git
from digits.errors import PipelineError
from digits.io import replacing, write_csv
from digits.training import identity

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results.csv"
TABLE = RESULTS.with_suffix(".md")
# The commit that is measured, with a + where Python files or parameters are not as it has them.
# Asked at once, since another may come meanwhile.
CODE = git("rev-parse", "--short", "HEAD", cwd=ROOT)
CODE += "+" * bool(git("status", "--porcelain", "*.py", "*.yaml", cwd=ROOT))
PACKAGES = ("dvc", "keras", "numpy", "pillow", "tensorflow", "torch")
LOOK = 0.02  # seconds between looks at a process's memory

T = TypeVar("T")


class Used(NamedTuple):
    """What a process took."""

    seconds: float  # from its start to its end
    megabytes: float  # that were its own at most, without pages of mapped files
    output: str  # what it printed


def run(*words: str, folder: Path = Path(), **environment: str) -> Used:
    """Run what follows ``python -m`` in ``folder``, with other variables, and say what it took.

    Raises PipelineError if it fails; the last it wrote is in the message.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    began, memory = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while True:
        with suppress(psutil.Error):  # it has just ended
            info = process.memory_info()
            memory = max(memory, info.rss - getattr(info, "shared", 0))  # macOS does not tell it
        with suppress(subprocess.TimeoutExpired):
            output, errors = process.communicate(timeout=LOOK)
            break
    if process.returncode:
        raise PipelineError(f"{' '.join(words)} failed: {(output + errors)[-2000:]}")
    return Used(time.perf_counter() - began, memory / 1e6, output)


def take_turns(kinds: Mapping[str, Callable[[], T]], rounds: int = 3) -> dict[str, list[T]]:
    """Measure each kind once a round, every other round backwards, and print what comes out.

    What slows the machine for a while so meets all kinds.
    """
    found: dict[str, list[T]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in list(kinds)[:: -1 if number % 2 else 1]:
            found[kind].append(kinds[kind]())
            print(f"round {number + 1}: {kind}: {found[kind][-1]}", flush=True)
    return found


def figure(
    what: str, unit: str, wanted: str, ours: Sequence[float], other: Sequence[float] = ()
) -> dict[str, str]:
    """Describe what was measured in rounds, as a row of the results; ``what`` tells it from others.

    ``wanted`` is of the ratio, ours by the other's in the same round; with a unit, of ours.
    """
    ratio = [a / b for a, b in zip(ours, other, strict=True)] if other else ()
    sides = {"ours": spread(ours), "other": spread(other), "ratio": spread(ratio)}
    return {"what": what, "unit": unit, **sides, "wanted": wanted}


def spread(values: Sequence[float]) -> str:
    """Write the median, the lowest and the highest, to four significant digits."""
    if not values:
        return ""
    three = statistics.median(values), min(values), max(values)
    median, lowest, highest = (f"{float(f'{value:.4g}'):,.10g}" for value in three)
    return median if lowest == highest else f"{median} [{lowest}, {highest}]"


def write(figures: Sequence[dict[str, str]]) -> None:
    """Write figures to the results, and all as a table, with the machine, day and code they are of.

    Each takes the place of the older one of what it tells; the others stay.
    """
    day = datetime.date.today().isoformat()
    new = pd.DataFrame(figures).assign(day=day, code=CODE, machine=machine())
    by_what = pd.concat([read(), new]).groupby("what", sort=False, as_index=False)
    table = by_what.last()
    write_csv(RESULTS, table)
    keep(TABLE, markdown(table))


def keep(path: Path, text: str) -> None:
    """Write the Markdown that a page shows."""
    with replacing(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8")
    print(f"wrote bench/{path.name}; `make docs` puts it into its page")


def read() -> pd.DataFrame:
    """Return all results, as text."""
    return pd.read_csv(RESULTS, dtype=str, keep_default_na=False)


def markdown(results: pd.DataFrame) -> str:
    """Write a row for each result, and the machines."""
    numbers, machines = pd.factorize(results["machine"])
    table = results.drop(columns="code").assign(machine=numbers + 1)
    align = ["left"] + (len(table.columns) - 1) * ["right"]
    rows = table.to_markdown(index=False, disable_numparse=True, colalign=align)
    numbered = (f"{number}. {machine}." for number, machine in enumerate(machines, 1))
    return "\n".join([rows, "", "Machines:", "", *numbered])


def machine() -> str:
    """Write the CPU, its cores, memory, system, versions, and a limit to oneDNN's instructions."""
    found = [f"{name} {one.version}" for name in PACKAGES for one in distributions(name=name)]
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):
        found.append(f"oneDNN with {limit} at most")
    memory = psutil.virtual_memory().total / 1e9
    system = f"{platform.system()} {platform.release().partition('-')[0]}"  # any build of it
    return (
        f"{identity.processor()}, {os.cpu_count()} CPU cores, {memory:.0f} GB; "
        f"{system}, Python {platform.python_version()}; {', '.join(found)}"
    )
