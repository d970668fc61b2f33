"""Compare convert with the method of mnist_png: pypng, and a file for every image.

Both read the raw files and write every image as a PNG, each in a process of its own with one
thread; they take turns. By the processor, what counts is how long it worked for a method, and not
the waiting for the disk. Needs what download wrote, and the package pypng.

    python -m bench.convert --rounds 5
"""

import argparse
import importlib.util
import tempfile
from operator import attrgetter
from pathlib import Path

from bench import measuring
from digits.data import idx
from digits.errors import PipelineError, run_stage

RAW = Path("data/raw")
IMAGES = 70_000
OURS, OTHER = "ours", "pypng"
METHODS = {OURS: ["stages.convert"], OTHER: ["bench.convert", "--pypng"]}
PREFIXES = {"training": "train", "testing": "t10k"}


def main() -> None:
    """Run the rounds, or with ``--pypng`` the other method once."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (5)")
    parser.add_argument("--pypng", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pypng:
        write_files(Path("data/raw"), Path("data/png"))
        return
    if arguments.rounds < 1:
        raise PipelineError("--rounds must be at least 1")
    if not RAW.exists():
        raise PipelineError(f"{RAW} is missing; `dvc repro download` makes it")
    if not importlib.util.find_spec("png"):
        raise PipelineError("the package pypng is missing; pip install pypng")
    rounds = []
    for number in range(arguments.rounds):
        order = reversed(METHODS) if number % 2 else METHODS
        used = {method: once(METHODS[method]) for method in order}
        rounds.append((used[OURS], used[OTHER]))
        print(f"round {number + 1}", end="")
        for method, one in used.items():
            print(f"; {method}: {one.seconds:.1f} s, processor {one.processor:.1f} s", end="")
        print(flush=True)
    measuring.write(
        "convert",
        [
            measuring.pairs(
                what, "images/s", [(IMAGES / take(a), IMAGES / take(b)) for a, b in rounds], ">= 2"
            )
            for what, take in (
                ("convert, against pypng and files", attrgetter("seconds")),
                ("convert, against pypng and files, by the processor", attrgetter("processor")),
            )
        ],
    )


def once(command: list[str]) -> measuring.Used:
    """Return what a method takes, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "data/raw"
        raw.parent.mkdir()
        raw.symlink_to(RAW.absolute())
        return measuring.run(command, Path(folder))


def write_files(raw: Path, target: Path) -> None:
    """Write each image as target/<set>/<label>/<number>.png with pypng."""
    import png

    for name, prefix in PREFIXES.items():
        images, labels = idx.read_pair(
            raw / f"{prefix}-images-idx3-ubyte.gz", raw / f"{prefix}-labels-idx1-ubyte.gz"
        )
        for label in range(10):
            (target / name / str(label)).mkdir(parents=True)
        writer = png.Writer(28, 28, greyscale=True)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            with (target / name / str(label) / f"{number}.png").open("wb") as file:
                writer.write(file, image.tolist())


if __name__ == "__main__":
    run_stage("bench", main)
