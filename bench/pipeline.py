"""How long the pipeline itself takes: the data stages, a `dvc repro` and an experiment of nothing.

The data stages run in a new clone of the last commit, from download to standardize, with the folder
that MNIST_MIRROR names as mirror, or else the files in data/raw. A `dvc repro` with nothing to do
runs here, where everything must be up to date, and so does an experiment of a stage that has not
changed.

    MNIST_MIRROR=../mnist python -m bench.pipeline --rounds 3
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench import measuring
from digits.errors import PipelineError, run_stage
from digits.git import git

STANDARDIZED = "standardize"
EXPERIMENT = "bench-nothing"


def main() -> None:
    """Run the rounds."""
    rounds = measuring.parser("pipeline", __doc__, rounds=3).parse_args().rounds
    source = mirror()
    if measuring.run(["dvc", "status", "--json", "dvc.yaml"]).output.strip() != "{}":
        raise PipelineError("something is out of date; `make repro` first")
    kinds: dict[str, Callable[[], float]] = {
        "download to standardize, from a local mirror": lambda: data_stages(source),
        "dvc repro, nothing to do": lambda: dvc("repro"),
        "dvc exp run, nothing to do": experiment,
    }
    seconds = measuring.take_turns(kinds, rounds)
    wanted = zip(seconds.items(), ("<= 20", "<= 2.5", ""), strict=True)
    figures = [measuring.figure(kind, "s", bound, values) for (kind, values), bound in wanted]
    measuring.write("pipeline", figures)


def mirror() -> Path:
    """Return a folder with the raw files.

    Raises:
        PipelineError: there is none.
    """
    named = os.environ.get("MNIST_MIRROR", "")
    if named and Path(named).is_dir():  # an address is none
        return Path(named).absolute()
    measuring.require("dvc repro download", "data/raw")
    return Path("data/raw").absolute()


def data_stages(source: Path) -> float:
    """Return the seconds from nothing to standardized images, in a clone."""
    with tempfile.TemporaryDirectory() as name:
        git("clone", "--quiet", str(measuring.ROOT), name)
        command = ["dvc", "repro", STANDARDIZED]
        return measuring.run(command, Path(name), MNIST_MIRROR=str(source)).seconds


def experiment() -> float:
    """Return the seconds of an experiment with nothing to do, and remove it."""
    with suppress(PipelineError):  # of a run that was cut off
        dvc("exp", "remove", EXPERIMENT)
    seconds = dvc("exp", "run", "--temp", "--name", EXPERIMENT, "resplit")
    dvc("exp", "remove", EXPERIMENT)
    return seconds


def dvc(*arguments: str) -> float:
    """Return the seconds of a DVC command here."""
    return measuring.run(["dvc", *arguments]).seconds


if __name__ == "__main__":
    run_stage("bench", main)
