"""What the benchmarks share: commands that take turns, how they spread, and on what machine."""

import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from digits.errors import PipelineError
from digits.io import read_json, write_json

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench/results"
PACKAGES = ("dvc", "keras", "numpy", "pillow", "pypng", "tensorflow")
LOOK = 0.02  # seconds between looks at a process's memory
KEYS = ("what", "profile", "stage", "times")  # whichever a figure has tell it from others
# Its "note", a version or a recipe, does not: with another one, it takes the old one's place.


@dataclass(frozen=True)
class Used:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        processor: seconds that processors worked for it, user's and system's; waiting, e.g. for the
            disk, does not count.
        memory: the most that was its own, in bytes. Pages of mapped files do not count: the system
            takes them back when it wants to.
    """

    seconds: float
    processor: float
    memory: int


def run(command: Sequence[str | Path], folder: Path = ROOT, **environment: str) -> Used:
    """Run a command of this Python's modules in ``folder`` and say what it took.

    Args:
        command: what follows ``python -m``.
        folder: to run it in.
        environment: variables besides our own.

    Raises:
        PipelineError: it failed; the last it wrote is in the message.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **environment}
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    seen = {"processor": 0.0, "memory": 0}
    watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), seen))
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    watcher.join()
    if process.returncode:
        raise PipelineError(f"{' '.join(map(str, command))} failed: {output[-2000:]}")
    return Used(seconds, seen["processor"], int(seen["memory"]))


def _watch(process: psutil.Process, seen: dict[str, float]) -> None:
    """Keep a process's processor time and its largest memory in ``seen`` until it ends."""
    try:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            memory = process.memory_info()
            # macOS does not tell pages that are shared.
            seen["memory"] = max(seen["memory"], memory.rss - getattr(memory, "shared", 0))
            times = process.cpu_times()
            seen["processor"] = times.user + times.system
            time.sleep(LOOK)
    except psutil.Error:
        pass  # it has ended


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the lowest and the highest, to four significant digits."""
    kinds = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: float(f"{value:.4g}") for name, value in kinds.items()}


def pairs(
    what: str, unit: str, rounds: Sequence[tuple[float, float]], wanted: str
) -> dict[str, Any]:
    """Describe figures of ours and of what they are held against, measured in turn.

    Args:
        what: they are of.
        unit: they are in.
        rounds: ours and the other's.
        wanted: of the ratio.

    Returns:
        what, unit, wanted; ours, other and ratio (ours by the other's, round by round), each with
        median, lowest, highest.
    """
    ours, other = zip(*rounds, strict=True)
    return {
        "what": what,
        "unit": unit,
        "wanted": wanted,
        "ours": spread(ours),
        "other": spread(other),
        "ratio": spread([a / b for a, b in rounds]),
    }


def write(name: str, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write figures to bench/results/NAME.json, with the machine, the day and the code they are of.

    Others that are there stay, if they are of the same machine: of a part of a benchmark only that
    part is new.
    """
    path = RESULTS / f"{name}.json"
    here = machine()
    there = read_json(path) if path.exists() else {"machine": here, "figures": []}
    kept = there["figures"] if there["machine"] == here else []
    if dropped := len(there["figures"]) - len(kept):
        print(f"{path.relative_to(ROOT)}: {dropped} figures of another machine make way")
    of = {"day": datetime.date.today().isoformat(), "code": CODE}
    merged = {_key(figure): figure for figure in [*kept, *({**one, **of} for one in figures)]}
    write_json(path, {"machine": here, "figures": list(merged.values())})
    print(f"wrote {path.relative_to(ROOT)}")


def code() -> str:
    """Return the commit, with a + where Python files or parameters are not as it has them."""
    git = ["git", "-C", str(ROOT)]
    commit, changes = (
        subprocess.run([*git, *arguments], capture_output=True, text=True, check=False).stdout  # noqa: S603
        for arguments in (
            ["rev-parse", "--short", "HEAD"],
            ["status", "--porcelain", "*.py", "*.yaml"],
        )
    )
    return commit.strip() + "+" * bool(changes)


def _key(figure: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells a figure from others of its file."""
    return tuple(figure[key] for key in KEYS if key in figure)


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory in GB, the system, and versions.

    And the newest instructions that oneDNN may use, where ``ONEDNN_MAX_CPU_ISA`` limits them.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",  # any build of it
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := version(name))},
        **({"onednn_max_cpu_isa": limit} if limit else {}),
    }


def _processor() -> str:
    """Return the processor's name, and whether it has the instructions that some have only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    with_avx512 = any(line.startswith("flags") and "avx512f" in line.split() for line in lines)
    return next(names, platform.processor()) + " with AVX-512" * with_avx512


def version(package: str) -> str | None:
    """Return a package's version; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


CODE = code()  # that is measured; a commit may come meanwhile
