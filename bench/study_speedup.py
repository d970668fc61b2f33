"""A study side by side on Ray, one thread each, against one after another, each with all threads.

Both are `python -m studies.run` on a study of lenet5 in a folder of its own, on the images that
convert wrote; they take turns. The loop is what runs where the package ray is not installed.

    python -m bench.study_speedup --rounds 3 --epochs 12
"""

import argparse
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from bench import measuring
from digits.errors import PipelineError, run_stage
from digits.io import write_json

WITHOUT_RAY = """import runpy, sys
sys.modules["ray"] = None
sys.argv[0] = "studies.run"
runpy.run_module("studies.run", run_name="__main__", alter_sys=True)
"""


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.study_speedup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="pairs of studies (3)")
    parser.add_argument("--trainings", type=int, default=8, help="of each study (8)")
    parser.add_argument("--images", type=int, default=20_000, help="that each learns (20000)")
    parser.add_argument("--epochs", type=int, default=12, help="of each training (12)")
    arguments = parser.parse_args()
    for name, value in vars(arguments).items():
        if value < 1:
            raise PipelineError(f"--{name} must be at least 1")
    if not importlib.util.find_spec("ray"):
        raise PipelineError("the package ray is missing; `pip install -e '.[cluster]'` adds it")
    if not (measuring.ROOT / "data/png").is_dir():
        raise PipelineError("data/png is missing; `dvc repro convert` makes it")
    study = {
        "architecture": "lenet5",
        "epochs": arguments.epochs,
        "seeds": list(range(1, arguments.trainings + 1)),
        "images": [arguments.images],
        "settings": {"plain": {}},
    }
    rounds = []
    for number in range(arguments.rounds):
        kinds = ("ray", "loop") if number % 2 else ("loop", "ray")
        seconds = {kind: time_study(kind, study) for kind in kinds}
        rounds.append((seconds["ray"], seconds["loop"]))
        print(
            f"round {number + 1}: {seconds['ray']:.0f} s on Ray, {seconds['loop']:.0f} s in a row",
            flush=True,
        )
    what = (
        f"a study of {arguments.trainings} lenet5, {arguments.images:,} images, "
        f"{arguments.epochs} epochs: side by side against in a row"
    )
    measuring.write("study_speedup", [measuring.pairs(what, "s", rounds, "<= 0.75")])


def time_study(kind: str, study: dict[str, object]) -> float:
    """Return the seconds that a study takes, ``kind`` being ray or loop."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(measuring.ROOT / "params.yaml", folder)
        (folder / "data").symlink_to(measuring.ROOT / "data")
        threads = 1 if kind == "ray" else os.cpu_count() or 1
        # JSON is YAML, too.
        write_json(folder / "studies/speed/study.yaml", {**study, "threads": threads})
        module = "studies.run"
        if kind == "loop":
            module = "without_ray"
            (folder / f"{module}.py").write_text(WITHOUT_RAY, encoding="utf-8")
        return measuring.run([module, "speed"], folder, STUDY_STORE=str(folder / "store")).seconds


if __name__ == "__main__":
    run_stage("bench", main)
