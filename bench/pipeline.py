"""How long the pipeline itself takes, and how time and memory grow with the data.

The data stages run in a new clone of the last commit, from download to standardize, with the folder
that MNIST_MIRROR names as mirror, or else the files in data/raw. A `dvc repro` with nothing to do
runs here, where everything must be up to date, and so does an experiment of nothing.

The grown data are the project's own raw files so many times, each copy with other noise: 4 GB for
ten, beside the project. At most 22 copies: an IDX file may have 2^30 values. The data stages and an
epoch of `dense` are measured as whole processes and compared with those on the data as they are.

    MNIST_MIRROR=../mnist python -m bench.pipeline --rounds 3 --times 10
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from bench import measuring
from digits.data import idx
from digits.errors import PipelineError, run_stage
from digits.git import git

RAW = Path("data/raw")
WANTED = {
    "download to standardize, from a local mirror": "<= 20 s",
    "dvc repro, nothing to do": "<= 2.5 s",
    "dvc exp run, nothing to do": "",
}
NOISE = 8  # grey levels, up or down
STAGES = ("convert", "resplit", "standardize", "train dense")
Usage = dict[str, measuring.Used]  # by stage


def main() -> None:
    """Run the rounds, then the stages on one and on many copies of the data."""
    parser = measuring.parser("pipeline", __doc__)
    parser.add_argument("--rounds", type=measuring.count, default=3, help="of each (3)")
    parser.add_argument("--times", type=measuring.count, default=10, help="copies (10)")
    arguments = parser.parse_args()
    if measuring.run(["dvc", "status", "--json", "dvc.yaml"]).output.strip() != "{}":
        raise PipelineError("something is out of date; `make repro` first")
    repro = ["dvc", "repro"]
    measures = data_stages, lambda: measuring.run(repro).seconds, experiment
    seconds = measuring.take_turns(dict(zip(WANTED, measures, strict=True)), arguments.rounds)
    measuring.write([measuring.figure(kind, "s", WANTED[kind], seconds[kind]) for kind in WANTED])
    measuring.write(growth(on_copies(1), on_copies(arguments.times), arguments.times))


def data_stages() -> float:
    """Return the seconds from nothing to standardized images, in a clone."""
    named = Path(os.environ.get("MNIST_MIRROR") or RAW)
    mirror = named if named.is_dir() else RAW  # an address is no folder
    with tempfile.TemporaryDirectory() as name:
        git("clone", "--quiet", str(measuring.ROOT), name)
        command, folder = ["dvc", "repro", "standardize"], Path(name)
        return measuring.run(command, folder, MNIST_MIRROR=str(mirror.absolute())).seconds


def experiment() -> float:
    """Return the seconds of an experiment with nothing to do, and remove it."""
    name = "bench-nothing"
    with suppress(PipelineError):  # there is none, unless a run was cut off
        measuring.run(["dvc", "exp", "remove", name])
    seconds = measuring.run(["dvc", "exp", "run", "--temp", "--name", name, "resplit"]).seconds
    measuring.run(["dvc", "exp", "remove", name])
    return seconds


def on_copies(copies: int) -> Usage:
    """Run the stages on so many copies of the data, in a folder of their own."""
    used = {}
    with tempfile.TemporaryDirectory(dir=".", prefix=".growth-") as name:
        folder, yaml = Path(name), YAML()
        multiply(folder / RAW, copies)
        content = yaml.load(Path("params.yaml"))
        content["split"].update(train=0.68, test=0.4, dev=0.05)
        content["architectures"]["dense"]["epochs"] = 1
        yaml.dump(content, folder / "params.yaml")
        for stage in STAGES:
            used[stage] = measuring.run(f"stages.{stage}".split(), folder)
            seconds, megabytes, _ = used[stage]
            print(f"{copies}x: {stage}: {seconds:.1f} s, {megabytes:,.0f} MB", flush=True)
    return used


def multiply(folder: Path, copies: int) -> None:
    """Write the raw files so many times over, each copy but the first with noise."""
    rng = np.random.default_rng(0)
    for names in idx.FILES.values():
        images, labels = idx.read_pair(*(RAW / name for name in names))
        many = [images]
        for _ in range(copies - 1):
            noise = rng.integers(-NOISE, NOISE + 1, images.shape, dtype=np.int16)
            many.append(np.clip(images + noise, 0, 255).astype(np.uint8))
        idx.write(folder / names[0], np.concatenate(many))
        idx.write(folder / names[1], np.tile(labels, copies))


def growth(one: Usage, many: Usage, times: int) -> list[dict[str, str]]:
    """Compare what the stages took; memory may grow by a fifth and 500 MB."""
    found = []
    for stage, now in many.items():
        before, what = one[stage], f"{stage}, {times} x the data"
        seconds = [now.seconds], [before.seconds]
        megabytes = [now.megabytes], [before.megabytes]
        bound = f"<= {1.2 * before.megabytes + 500:,.0f} MB"
        found.append(measuring.figure(what, "s", f"<= {1.2 * times:g}", *seconds))
        found.append(measuring.figure(f"{what}: memory", "MB", bound, *megabytes))
    return found


if __name__ == "__main__":
    run_stage("bench", main)
