"""How long the pipeline itself takes: the data stages, a `dvc repro` and an experiment of nothing.

The data stages run in a new clone of the last commit, from download to standardize, with the folder
that MNIST_MIRROR names as mirror, or else the files in data/raw. A `dvc repro` with nothing to do
runs here, where everything must be up to date, and so does an experiment of a stage that has not
changed.

    MNIST_MIRROR=../mnist python -m bench.pipeline --rounds 3
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench import measuring
from digits import repro
from digits.errors import PipelineError, run_stage

STANDARDIZED = "standardize"
EXPERIMENT = "bench-nothing"


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (3)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        raise PipelineError("--rounds must be at least 1")
    source = mirror()
    if repro.out_of_date():
        raise PipelineError("something is out of date; `make repro` first")
    kinds: dict[str, Callable[[], float]] = {
        "download to standardize, from a local mirror": lambda: data_stages(source),
        "dvc repro, nothing to do": lambda: dvc("repro"),
        "dvc exp run, nothing to do": experiment,
    }
    wanted = dict(zip(kinds, ("<= 20", "<= 4", ""), strict=True))
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind, measure in kinds.items():
            seconds[kind].append(measure())
            print(f"round {number + 1}: {kind}: {seconds[kind][-1]:.1f} s", flush=True)
    measuring.write(
        "pipeline",
        [
            {"what": kind, "unit": "s", "wanted": wanted[kind], "ours": measuring.spread(values)}
            for kind, values in seconds.items()
        ],
    )


def mirror() -> Path:
    """Return a folder with the raw files.

    Raises:
        PipelineError: there is none.
    """
    named = Path(os.environ.get("MNIST_MIRROR", ""))  # an address is none
    folder = named if named != Path() and named.is_dir() else Path("data/raw")
    if not folder.is_dir():
        raise PipelineError(f"{folder} is missing; `dvc repro download` makes it")
    return folder.absolute()


def clone(folder: Path) -> None:
    """Clone the last commit.

    Raises:
        PipelineError: git failed.
    """
    command = ["git", "clone", "--quiet", str(measuring.ROOT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"{' '.join(command)}: {done.stderr.strip()}")


def data_stages(source: Path) -> float:
    """Return the seconds from nothing to standardized images, in a clone."""
    with tempfile.TemporaryDirectory() as name:
        clone(Path(name))
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
