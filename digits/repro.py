"""Bring the pipeline up to date with independent stages side by side: python -m digits.repro.

Every stage that has changed, or depends on one that has, is a ``dvc repro --single-item`` of its
own, started when all that it depends on are done. DVC derives these from the files that stages
share, so none meets a file that another one holds. Files and dvc.lock become what a plain
``dvc repro`` makes of them. Ctrl-C stops all stages; trainings go on from there the next time.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path

import joblib
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import plan_repro
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from digits.errors import PipelineError, command_line, run_stage

GRACE = 60  # seconds until a stage that was asked to stop is killed
TICK = 0.25  # seconds between looks at what runs


class Running(subprocess.Popen[bytes]):
    """A stage under way: its output in a file, a line of its own in the progress."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.start = name, time.monotonic()
        self.task = progress.add_task(name, last="")
        self.log = tempfile.NamedTemporaryFile()  # noqa: SIM115 - it lasts as long as this object
        super().__init__(
            [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )

    @property
    def output(self) -> str:
        """All that it has printed."""
        return Path(self.log.name).read_text(encoding="utf-8", errors="replace")


def main() -> None:
    """Run what is out of date."""
    parser = command_line("digits.repro", __doc__)
    cores = joblib.cpu_count()  # those that this process may use
    what = f"stages at a time; without it {cores}, as many as CPU cores, whatever threads they have"
    parser.add_argument("--jobs", type=int, default=cores, help=what)
    jobs = parser.parse_args().jobs
    if jobs < 1:
        raise PipelineError(f"--jobs must be at least 1, given {jobs}")
    start = time.monotonic()
    if stages := out_of_date():
        print(f"{len(stages)} stages to run, {jobs} at a time", flush=True)
        run(stages, jobs)
    print(f"up to date after {time.monotonic() - start:.0f} s")


def out_of_date() -> dict[str, set[str]]:
    """Return the stages of dvc.yaml that must run, each with those that must run before it.

    Raises PipelineError if DVC cannot tell: a wrong dvc.yaml, say, or another DVC at work here.
    """
    stages: dict[str, set[str]] = {}
    try:
        with Repo() as repo, lock_repo(repo):
            changed = repo.status("dvc.yaml")
            graph = repo.index.graph
            for stage in plan_repro(graph, repo.stage.collect("dvc.yaml")):
                before = {one.addressing for one in graph.successors(stage)} & stages.keys()
                if before or stage.addressing in changed:
                    stages[stage.addressing] = before
    except DvcException as error:
        raise PipelineError(f"dvc status: {' '.join(str(error).split())}") from error
    return stages


def run(stages: Mapping[str, set[str]], jobs: int) -> None:
    """Run stages, each after those it needs, ``jobs`` at a time.

    Raises PipelineError if one failed, when those under way have finished, and KeyboardInterrupt if
    a stop was asked for, when all are stopped.
    """
    stopped = threading.Event()  # looked at where no process is half started
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(stop) != signal.SIG_IGN:  # as nohup has it
            signal.signal(stop, lambda number, frame: stopped.set())
    order = TopologicalSorter(stages)
    order.prepare()
    ready = list(order.get_ready())
    running: list[Running] = []
    failed: list[Running] = []
    columns = (TimeElapsedColumn(), TextColumn("{task.fields[last]}", markup=False))
    with Progress("{task.description}", *columns, transient=True) as progress:
        everything = progress.add_task("all", last="")
        try:
            while running or (ready and not failed):
                while ready and not failed and len(running) < jobs:
                    # The newest: large networks are listed last, and none should train alone.
                    running.append(Running(ready.pop(), progress))
                progress.update(everything, last=f"{len(ready)} more are ready" if ready else "")
                time.sleep(TICK)
                if stopped.is_set():
                    raise KeyboardInterrupt
                for one in list(running):
                    progress.update(one.task, last=(one.output.rstrip().splitlines() or [""])[-1])
                    if one.poll() is None:
                        continue
                    running.remove(one)
                    progress.remove_task(one.task)
                    if one.returncode:
                        failed.append(one)
                    else:
                        order.done(one.name)
                        ready += order.get_ready()
                    how = "failed" if one.returncode else f"{time.monotonic() - one.start:.0f} s"
                    progress.console.print(f"{one.name}: {how}", highlight=False)
        finally:
            _stop(running)
    if failed:
        print(*(one.output for one in failed), sep="\n", file=sys.stderr)
        raise PipelineError(f"failed: {', '.join(one.name for one in failed)}; see above")


def _stop(running: Sequence[Running]) -> None:
    """Stop what still runs and all it has started, kindly and then not."""
    for how, patience in ((signal.SIGINT, GRACE), (signal.SIGKILL, None)):
        for one in running:
            if one.poll() is None:
                os.killpg(one.pid, how)
        for one in running:
            with suppress(subprocess.TimeoutExpired):
                one.wait(patience)


if __name__ == "__main__":
    run_stage("repro", main)
