"""Bring the pipeline up to date with independent stages side by side: python -m digits.repro.

Every stage that has changed, or depends on one that has, is a ``dvc repro --single-item`` of its
own, begun as soon as all before it are done. A plain ``dvc repro`` ends it, with nothing left to
do; so files and dvc.lock are as if that had done it all. Ctrl-C stops all stages; trainings go on
from there the next time.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from digits.errors import PipelineError, run_stage

DVC = [sys.executable, "-m", "dvc"]
BUSY = "is busy, it is being"  # DVC of a file that another of its processes holds
PATIENCE = 5  # seconds until a stage that met such a file is tried again
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = threading.Event()  # one of them came
MERCY = 60  # seconds until a stage that was asked to stop is killed
TICK = 0.25  # seconds between looks at what runs


class Running:
    """A ``dvc repro`` under way, its output in a file of ``folder``."""

    def __init__(self, name: str, folder: Path, *arguments: str) -> None:
        self.name = name
        self.began = time.monotonic()
        self.log = folder / f"{name}.log"
        with self.log.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [*DVC, "--wait-for-lock", "repro", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )

    @property
    def output(self) -> str:
        """All that it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def elapsed(self) -> str:
        """Minutes and seconds since it began."""
        return "{:d}:{:02d}".format(*divmod(round(time.monotonic() - self.began), 60))

    def send(self, how: signal.Signals) -> None:
        """Send a signal to it and all it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)


def main() -> None:
    """Run what is out of date."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.repro",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--jobs",
        type=int,
        help="stages at a time; without it, as many as there are processors: a stage with more "
        "threads leaves some of them idle, while it starts, reads and writes",
    )
    jobs = parser.parse_args().jobs
    if jobs is None:
        jobs = processors()
    if jobs < 1:
        raise PipelineError(f"--jobs must be at least 1, given {jobs}")
    for stop in STOPS:
        if signal.getsignal(stop) != signal.SIG_IGN:  # as nohup has it
            signal.signal(stop, lambda number, frame: STOPPED.set())
    began = time.monotonic()
    stages = out_of_date(dvc("dag", "--dot", "dvc.yaml"), dvc("status", "--json", "dvc.yaml"))
    if stages:
        print(f"{len(stages)} stages to run, {jobs} at a time", flush=True)
        with tempfile.TemporaryDirectory() as logs:
            run(stages, jobs, Path(logs))
            print("the rest, by `dvc repro`", flush=True)
            finish(Path(logs))
    print(f"up to date after {time.monotonic() - began:.0f} s")


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _heed_stops() -> None:
    """Raise KeyboardInterrupt if a stop was asked for, where nothing is half begun."""
    if STOPPED.is_set():
        raise KeyboardInterrupt


def dvc(*arguments: str) -> str:
    """Return what a DVC command prints.

    Raises:
        PipelineError: it failed.
        KeyboardInterrupt: a stop was asked for meanwhile.
    """
    done = subprocess.run(  # noqa: S603
        [*DVC, *arguments], capture_output=True, text=True, check=False
    )
    _heed_stops()
    if done.returncode:
        raise PipelineError(f"dvc {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def out_of_date(dag: str, status: str) -> dict[str, set[str]]:
    """Return the stages that must run, those that changed and all that depend on them.

    Args:
        dag: what ``dvc dag --dot`` prints; an edge leads to the stage that depends on the other.
        status: what ``dvc status --json`` prints of the same stages.

    Returns:
        For each of them, those of them that must run before it.
    """
    before: dict[str, set[str]] = {}
    for first, _, second in re.findall(r'^"([^"]+)"( -> "([^"]+)")?;', dag, flags=re.MULTILINE):
        before.setdefault(second or first, set()).update({first} if second else ())
    found: dict[str, set[str]] = {}
    changed = set(json.loads(status))
    for name in TopologicalSorter(before).static_order():
        needed = before[name] & set(found)
        if name in changed or needed:
            found[name] = needed
    return found


def run(stages: Mapping[str, set[str]], jobs: int, logs: Path) -> None:
    """Run the stages, each after those it needs, so many at a time.

    Raises:
        PipelineError: one failed; those under way were let finish.
        KeyboardInterrupt: a stop was asked for; all that ran were stopped.
    """
    console = Console()
    order = TopologicalSorter(stages)
    order.prepare()
    ready = deque(order.get_ready())
    running: list[Running] = []
    failed: list[Running] = []
    later: dict[str, float] = {}  # when to try a stage again
    with Live(console=console, transient=True) as live:
        try:
            while running or ((ready or later) and not failed):
                due = [name for name, when in later.items() if when <= time.monotonic()]
                ready.extend(due)
                for name in due:
                    del later[name]
                while ready and not failed and len(running) < jobs:
                    name = ready.popleft()
                    running.append(Running(name, logs, "--single-item", name))
                live.update(_table(running, len(ready) + len(later)))
                time.sleep(TICK)
                _heed_stops()
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    if not one.process.returncode:
                        console.print(f"{one.name}: {one.elapsed}", highlight=False)
                        order.done(one.name)
                        ready.extend(order.get_ready())
                    elif BUSY in one.output:
                        later[one.name] = time.monotonic() + PATIENCE
                    else:
                        console.print(f"{one.name}: failed", highlight=False)
                        failed.append(one)
        finally:
            _stop(running)
    if failed:
        for one in failed:
            print(one.output, file=sys.stderr)
        raise PipelineError(f"failed: {', '.join(one.name for one in failed)}; see above")


def finish(logs: Path) -> None:
    """Have a plain ``dvc repro`` look at everything.

    Raises:
        PipelineError: it failed.
        KeyboardInterrupt: a stop was asked for; it was stopped.
    """
    rest = Running("repro", logs, "--quiet")
    try:
        while rest.process.poll() is None:
            time.sleep(TICK)
            _heed_stops()
    finally:
        _stop([rest])
    if rest.process.returncode:
        print(rest.output, file=sys.stderr)
        raise PipelineError("`dvc repro` failed; see above")


def _table(running: Iterable[Running], waiting: int) -> Table:
    """Show stages under way, for how long, and the last line of each."""
    table = Table.grid(padding=(0, 2))
    for one in running:
        lines = [line for line in re.split(r"[\r\n]", one.output[-2000:]) if line.strip()]
        table.add_row(one.name, one.elapsed, Text(lines[-1] if lines else "", no_wrap=True))
    if waiting:
        table.add_row(f"{waiting} more are ready")
    return table


def _stop(running: list[Running]) -> None:
    """Stop what still runs, kindly and then not."""
    for one in running:
        one.send(signal.SIGINT)
    for one in running:
        try:
            one.process.wait(MERCY)
        except subprocess.TimeoutExpired:
            one.send(signal.SIGKILL)
            one.process.wait()


if __name__ == "__main__":
    run_stage("repro", main)
