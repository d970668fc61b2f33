"""Whether `make repro` is sooner done with two stages at a time than with one.

In a clone of the last commit with four networks of params.yaml, an epoch of each, once the images
are standardized. Each stage has the threads that params.yaml says, however many run. Both take
turns. The raw files are those of the folder that MNIST_MIRROR names, or else in data/raw.

    python -m bench.side_by_side --rounds 3
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML

from bench import measuring, pipeline
from digits.errors import run_stage

NAMES = ("convnet_dropout", "lenet5_v1", "lenet5_v2", "lenet5_pen")  # the last is exported


def main() -> None:
    """Run the rounds."""
    rounds = measuring.parser("side_by_side", __doc__, rounds=3).parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        prepared = Path(name) / "prepared"
        prepare(prepared, pipeline.mirror())
        kinds = {f"{jobs} at a time": partial(repro, prepared, jobs) for jobs in (2, 1)}
        two, one = measuring.take_turns(kinds, rounds).values()
    what = "make repro of four networks, an epoch each: two stages at a time against one"
    measuring.write("side_by_side", [measuring.figure(what, "s", "", two, one)])


def prepare(folder: Path, mirror: Path) -> None:
    """Make a clone in which all that does not concern the networks is up to date."""
    pipeline.clone(folder)
    yaml = YAML()
    content = yaml.load(folder / "params.yaml")
    for name in set(content["architectures"]) - set(NAMES):
        del content["architectures"][name]
    for entry in content["architectures"].values():
        entry["epochs"] = 1
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
