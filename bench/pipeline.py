"""How long the pipeline itself takes, and how time and memory grow with the data.

The data stages run in a new clone of the last commit, from download to standardize, with the folder
that MNIST_MIRROR names as mirror, or else the files in data/raw. A `dvc repro` with nothing to do
runs here, where everything must be up to date, and so does an experiment of nothing.

Then the data stages and an epoch of `dense` are measured as whole processes on the project's own
raw files, and on these ten times over: 4 GB, in a temporary folder in the project's.

    MNIST_MIRROR=../mnist python -m bench.pipeline
"""

import os
import tempfile
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from bench import measuring
from digits import config
from digits.commands import git
from digits.data import idx
from digits.errors import PipelineError, command_line, run_stage

RAW = Path("data/raw")
TIMES = 10  # the data; at most 22, as an IDX file may have 2^30 values
STAGES = ("convert", "resplit", "standardize", "train dense")
CHANGES = {"split.train": 0.68, "split.test": 0.4, "architectures.dense.epochs": 1}
Usage = dict[str, measuring.Used]  # by stage


def main() -> None:
    """Run the rounds, then the stages on the data once and many times over."""
    command_line("bench.pipeline", __doc__).parse_args()
    if measuring.run("dvc", "status", "--json", "dvc.yaml").output.strip() != "{}":
        raise PipelineError("something is out of date; `make repro` first")
    kinds = {
        "download to standardize, from a local mirror": (data_stages, "<= 20 s"),
        "dvc repro, nothing to do": (lambda: measuring.run("dvc", "repro").seconds, "<= 2.5 s"),
        "dvc exp run, nothing to do": (experiment, ""),
    }
    found = measuring.take_turns({kind: measure for kind, (measure, _) in kinds.items()})
    measuring.write([measuring.figure(kind, "s", kinds[kind][1], found[kind]) for kind in kinds])
    measuring.write(growth(on_copies(1), on_copies(TIMES)))


def data_stages() -> float:
    """Return the seconds from nothing to standardized images, in a clone."""
    named = Path(os.environ.get("MNIST_MIRROR") or RAW)
    mirror = named if named.is_dir() else RAW  # an address is no folder
    with tempfile.TemporaryDirectory() as name:
        git("clone", "--quiet", str(measuring.ROOT), name)
        command, folder = ("dvc", "repro", "standardize"), Path(name)
        return measuring.run(*command, folder=folder, MNIST_MIRROR=str(mirror.absolute())).seconds


def experiment() -> float:
    """Return the seconds of an experiment with nothing to do, and remove it."""
    name = "bench-nothing"
    with suppress(PipelineError):  # there is none, unless a run was cut off
        measuring.run("dvc", "exp", "remove", name)
    seconds = measuring.run("dvc", "exp", "run", "--temp", "--name", name, "resplit").seconds
    measuring.run("dvc", "exp", "remove", name)
    return seconds


def on_copies(copies: int) -> Usage:
    """Run the stages on the data so many times over, in a folder of their own."""
    used: Usage = {}
    with tempfile.TemporaryDirectory(dir=".", prefix=".growth-") as temporary:
        folder = Path(temporary)
        for name in chain(*idx.FILES.values()):
            idx.write(folder / RAW / name, np.concatenate(copies * [idx.read(RAW / name)]))
        params = config.override(config.read_yaml(config.PATH), CHANGES, "growth")
        YAML().dump(params, folder / config.PATH)
        for stage in STAGES:
            used[stage] = one = measuring.run(*f"stages.{stage}".split(), folder=folder)
            print(f"{copies}x: {stage}: {one.seconds:.1f} s, {one.megabytes:,.0f} MB", flush=True)
    return used


def growth(one: Usage, many: Usage) -> list[dict[str, str]]:
    """Compare what the stages took; memory may grow by a fifth and 500 MB."""
    found = []
    for stage, now in many.items():
        before, what = one[stage], f"{stage}, {TIMES} x the data"
        bound = f"<= {1.2 * before.megabytes + 500:,.0f} MB"
        memory = [now.megabytes], [before.megabytes]
        found += [
            measuring.figure(what, "s", f"<= {1.2 * TIMES:g}", [now.seconds], [before.seconds]),
            measuring.figure(f"{what}: memory", "MB", bound, *memory),
        ]
    return found


if __name__ == "__main__":
    run_stage("bench", main)
