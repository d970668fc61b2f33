"""A study on Ray with as many trainings side by side as there are CPU cores, against one at a time.

Both are `python -m studies.run` on a study of lenet5 in a folder of its own, on the images that
convert wrote; they take turns. Side by side, each training has one thread; one at a time, it has
all cores. With tiny trainings this shows what a study costs beside them.

    python -m bench.study_speedup --rounds 3 --epochs 12
    python -m bench.study_speedup --rounds 1 --trainings 500 --images 100 --epochs 1
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

from bench import measuring
from digits import config
from digits.errors import run_stage
from digits.io import write_json


def main() -> None:
    """Run the rounds."""
    parser = measuring.parser("study_speedup", __doc__, rounds=3)
    count = measuring.count
    parser.add_argument("--trainings", type=count, default=8, help="of each study (8)")
    parser.add_argument("--images", type=count, default=20_000, help="that each learns (20000)")
    parser.add_argument("--epochs", type=count, default=12, help="of each training (12)")
    arguments = parser.parse_args()
    measuring.require("dvc repro convert", "data/png")
    study = {
        "dataset": config.load().dataset,
        "architecture": "lenet5",
        "epochs": arguments.epochs,
        "seeds": list(range(1, arguments.trainings + 1)),
        "images": [arguments.images],
        "settings": {"plain": {}},
    }
    kinds = {
        "side by side": partial(time_study, {**study, "threads": 1}),
        "in a row": partial(time_study, {**study, "threads": os.cpu_count() or 1}),
    }
    ours, other = measuring.take_turns(kinds, arguments.rounds).values()
    what = (
        f"a study of {arguments.trainings} lenet5, {arguments.images:,} images, "
        f"{arguments.epochs} epochs: side by side against in a row"
    )
    measuring.write("study_speedup", [measuring.figure(what, "s", "<= 0.75", ours, other)])


def time_study(study: dict[str, object]) -> float:
    """Return the seconds that a study takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy("params.yaml", folder)
        (folder / "data").symlink_to(Path("data").absolute())
        write_json(folder / "studies/speed/study.yaml", study)  # JSON is YAML too
        command = ["studies.run", "speed"]
        return measuring.run(command, folder, STUDY_STORE=str(folder / "store")).seconds


if __name__ == "__main__":
    run_stage("bench", main)
