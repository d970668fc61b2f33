"""Whether `make repro` is sooner done with two stages at a time than with one.

In a clone of the last commit with four networks of params.yaml, an epoch of each, once the images
are standardized. Each stage has the threads that params.yaml says, however many run. Both take
turns. The raw files are those of the folder that MNIST_MIRROR names, or else in data/raw.

    python -m bench.side_by_side --rounds 3
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from bench import measuring, pipeline
from digits.errors import PipelineError, run_stage

NAMES = ("convnet_dropout", "lenet5_v1", "lenet5_v2", "lenet5_pen")  # the last is exported


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.side_by_side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="pairs (3)")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        raise PipelineError("--rounds must be at least 1")
    seconds: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        prepared = Path(name) / "prepared"
        prepare(prepared, pipeline.mirror())
        for number in range(1, rounds + 1):
            order = (1, 2) if number % 2 else (2, 1)
            by_jobs = {jobs: repro(prepared, jobs) for jobs in order}
            seconds.append((by_jobs[2], by_jobs[1]))
            print(
                f"round {number}: two at a time {by_jobs[2]:.0f} s, one {by_jobs[1]:.0f} s",
                flush=True,
            )
    what = "make repro of four networks, an epoch each: two stages at a time against one"
    measuring.write("side_by_side", [measuring.pairs(what, "s", seconds, "")])


def prepare(folder: Path, mirror: Path) -> None:
    """Make a clone in which all that does not concern the networks is up to date."""
    pipeline.clone(folder)
    yaml = YAML()
    content = yaml.load(folder / "params.yaml")
    architectures = content["architectures"]
    for name in set(architectures) - set(NAMES):
        del architectures[name]
    for name in NAMES:
        architectures[name]["epochs"] = 1
    content["export"]["largest_drop"] = 0.02  # int8 may lose more of a network so little trained
    yaml.dump(content, folder / "params.yaml")
    measuring.run(["dvc", "repro", pipeline.STANDARDIZED], folder, MNIST_MIRROR=str(mirror))


def repro(prepared: Path, jobs: int) -> float:
    """Return the seconds that bringing a copy up to date takes."""
    copy = prepared.with_name("copy")
    shutil.copytree(prepared, copy, symlinks=True)
    try:
        return measuring.run(["digits.repro", "--jobs", str(jobs)], copy).seconds
    finally:
        shutil.rmtree(copy)


if __name__ == "__main__":
    run_stage("bench", main)
