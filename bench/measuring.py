"""What the benchmarks share: commands that take turns, what they took, and on what machine."""

import argparse
import datetime
import importlib.metadata
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from digits import config
from digits.config import Architecture, Params, Phase
from digits.data import dataset
from digits.data.dataset import Dataset
from digits.errors import PipelineError
from digits.git import git
from digits.io import read_json, write_json
from digits.training import identity

ROOT = Path(__file__).parents[1]
RAW = Path("data/raw")
RESULTS = ROOT / "bench/results"
PACKAGES = ("dvc", "keras", "numpy", "pillow", "tensorflow")
LOOK = 0.02  # seconds between looks at a process's memory
# Whichever a figure has tell it from others. A "note", such as a version, does not.
KEYS = ("what", "stage", "times")
RATE = 0.001  # learning rate; the speed does not depend on it
DEV = 256  # images watched, so few that an epoch is one of learning

T = TypeVar("T")


@dataclass(frozen=True)
class Used:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        cpu: seconds that CPU cores worked for it and what it started; waiting does not count.
        memory: the most that was its own, in bytes, without pages of mapped files: the system takes
            them back when it wants to.
        output: what it printed.
    """

    seconds: float
    cpu: float
    memory: int
    output: str

    def __str__(self) -> str:
        """Write what counts in one line."""
        return f"{self.seconds:.1f} s, CPU {self.cpu:.1f} s, {self.memory / 1e6:,.0f} MB"


def parser(module: str, doc: str | None, rounds: int = 0) -> argparse.ArgumentParser:
    """Return the parser of a benchmark's command line, with ``--rounds`` if it has any."""
    made = argparse.ArgumentParser(
        prog=f"python -m bench.{module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if rounds:
        what = f"measurements of each ({rounds})"
        made.add_argument("--rounds", type=count, default=rounds, help=what)
    return made


def count(text: str) -> int:
    """Return a number from 1 on, as an argument's type."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, given {number}")
    return number


def require(maker: str, *paths: str) -> None:
    """Raise PipelineError where something is missing that the command ``maker`` writes."""
    for path in paths:
        if not Path(path).exists():
            raise PipelineError(f"{path} is missing; `{maker}` makes it")


def run(command: Sequence[str | Path], folder: Path = Path(), **environment: str) -> Used:
    """Run what follows ``python -m`` in ``folder``, with other variables, and say what it took.

    Raises:
        PipelineError: it failed; the last it wrote is in the message.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    before, began, memory = _cpu(), time.perf_counter(), 0
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = psutil.Popen(
            [sys.executable, "-m", *map(str, command)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **environment},
            stdout=output,
            stderr=errors,
        )
        while process.poll() is None:
            with suppress(psutil.Error):  # it works on, or has just ended
                info = process.memory_info()
                # macOS does not tell pages that are shared.
                memory = max(memory, info.rss - getattr(info, "shared", 0))
                process.wait(LOOK)
        seconds = time.perf_counter() - began
        written = []
        for file in (output, errors):
            file.seek(0)
            written.append(file.read().decode(errors="replace"))
    if process.returncode:
        raise PipelineError(f"{' '.join(map(str, command))} failed: {''.join(written)[-2000:]}")
    return Used(seconds, _cpu() - before, memory, written[0])


def _cpu() -> float:
    """Return the seconds that CPU cores worked for processes that we started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def take_turns(kinds: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Measure each kind once a round, every other round backwards, and print what comes out.

    What slows the machine for a while so meets all kinds.
    """
    found: dict[str, list[T]] = {kind: [] for kind in kinds}
    for number in range(1, rounds + 1):
        for kind in list(kinds)[:: 1 if number % 2 else -1]:
            found[kind].append(kinds[kind]())
            print(f"round {number}: {kind}: {found[kind][-1]}", flush=True)
    return found


def figure(
    what: str,
    unit: str,
    wanted: str,
    ours: Sequence[float],
    other: Sequence[float] = (),
    **more: Any,
) -> dict[str, Any]:
    """Describe what was measured in rounds, each by median, lowest and highest.

    Args:
        what: was measured.
        unit: of it.
        wanted: of the ratio, ours by the other's in the same round; else of ours.
        ours: in each round.
        other: what ours is compared with, if anything.
        more: besides.
    """
    content = {"what": what, "unit": unit, "wanted": wanted, "ours": spread(ours), **more}
    if other:
        ratio = [a / b for a, b in zip(ours, other, strict=True)]
        content |= {"other": spread(other), "ratio": spread(ratio)}
    return content


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median, the lowest and the highest, to four significant digits."""
    kinds = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: float(f"{value:.4g}") for name, value in kinds.items()}


def write(name: str, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write figures to bench/results/NAME.json, with the machine, the day and the code they are of.

    Others that are there stay, if they are of the same machine: of a part of a benchmark only that
    part is new.
    """
    path, here = RESULTS / f"{name}.json", machine()
    there = read_json(path) if path.exists() else {"machine": here, "figures": []}
    kept = there["figures"] if there["machine"] == here else []
    if dropped := len(there["figures"]) - len(kept):
        print(f"{path.relative_to(ROOT)}: {dropped} figures of another machine make way")
    of = {"day": datetime.date.today().isoformat(), "code": CODE}
    merged = {
        tuple(one[key] for key in KEYS if key in one): one
        for one in [*kept, *({**one, **of} for one in figures)]
    }
    write_json(path, {"machine": here, "figures": list(merged.values())})
    print(f"wrote {path.relative_to(ROOT)}")


def code() -> str:
    """Return the commit, with a + where Python files or parameters are not as it has them."""
    changes = git("status", "--porcelain", "*.py", "*.yaml", cwd=ROOT)
    return git("rev-parse", "--short", "HEAD", cwd=ROOT) + "+" * bool(changes)


def machine() -> dict[str, Any]:
    """Return the CPU, its cores, the memory in GB, the system, and versions.

    And the newest instructions that oneDNN may use, where ``ONEDNN_MAX_CPU_ISA`` limits them.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return {
        "processor": identity.processor(),
        "processors": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",  # any build of it
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        **({"onednn_max_cpu_isa": limit} if limit else {}),
    }


def short_training(
    name: str, epochs: int, images: int | None = None
) -> tuple[Params, Architecture, Dataset]:
    """Return the parameters, and a recipe and images for measuring how fast training is.

    The recipe is that of params.yaml with all trained in one phase of so many ``epochs``. Only the
    first ``images`` are learned; None for all.
    """
    values = config.load()
    recipe = config.architecture(values, name)
    schedule = list(recipe.phases.values())[-1].schedule if recipe.phases else recipe.schedule
    phases = {"all": Phase(epochs=epochs, learning_rate=RATE, schedule=schedule)}
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    data.rows["train"] = data.rows["train"][:images]
    data.rows["dev"] = data.rows["dev"][:DEV]
    return values, recipe.model_copy(update={"phases": phases}), data


def images_a_second(data: Dataset, ends: Sequence[float]) -> float:
    """Return the speed of the median epoch but the first, of when the epochs ended, in seconds."""
    return len(data.rows["train"]) / float(np.median(np.diff(ends)))


CODE = code()  # that is measured; a commit may come meanwhile
