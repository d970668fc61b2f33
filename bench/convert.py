"""Compare convert with the method of mnist_png: pypng, and a file for every image.

Both read the raw files and write every image as a PNG, each in a process of its own with one
thread; they take turns. The CPU time leaves out the waiting for the disk. Needs what download
wrote, and the package pypng.

    python -m bench.convert --rounds 5
"""

import argparse
import tempfile
from functools import partial
from operator import attrgetter
from pathlib import Path

from bench import measuring
from digits.data import idx
from digits.errors import run_stage

RAW = Path("data/raw")
FILES = {
    "training": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "testing": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
IMAGES = 70_000
METHODS = {"ours": ["stages.convert"], "pypng": ["bench.convert", "--pypng"]}


def main() -> None:
    """Run the rounds, or with ``--pypng`` the other method once."""
    parser = measuring.parser("convert", __doc__, rounds=5)
    parser.add_argument("--pypng", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pypng:
        write_files(RAW, Path("data/png"))
        return
    measuring.require("dvc repro download", str(RAW))
    kinds = {name: partial(once, command) for name, command in METHODS.items()}
    ours, other = measuring.take_turns(kinds, arguments.rounds).values()
    figures = [
        measuring.figure(
            what,
            "images/s",
            ">= 2",
            [IMAGES / seconds(one) for one in ours],
            [IMAGES / seconds(one) for one in other],
        )
        for what, seconds in (
            ("convert, against pypng and files", attrgetter("seconds")),
            ("convert, against pypng and files, by the processor", attrgetter("cpu")),
        )
    ]
    measuring.write("convert", figures)


def once(command: list[str]) -> measuring.Used:
    """Return what a method takes, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / RAW
        raw.parent.mkdir()
        raw.symlink_to(RAW.absolute())
        return measuring.run(command, Path(folder))


def write_files(raw: Path, target: Path) -> None:
    """Write each image as target/<set>/<label>/<number>.png with pypng."""
    import png

    for part, names in FILES.items():
        images, labels = idx.read_pair(*(raw / name for name in names))
        for label in range(10):
            (target / part / str(label)).mkdir(parents=True)
        writer = png.Writer(28, 28, greyscale=True)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            with (target / part / str(label) / f"{number}.png").open("wb") as file:
                writer.write(file, image.tolist())


if __name__ == "__main__":
    run_stage("bench", main)
