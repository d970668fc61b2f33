"""Does time grow as the data does, and does memory stay? Data stages and an epoch of `dense`.

The data are the project's own raw files so many times, each copy with other noise: 3.4 GB for ten,
beside the project. At most 22 copies: an IDX file may have 2^30 values. Measures whole processes:
seconds and CPU time an image, as a multiple of those for the data as they are, seconds also of the
size before, and the most memory. Starting a process weighs less with more images, so the second
multiple tells more.

    python -m bench.growth --times 10
"""

import gzip
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from bench import measuring
from digits.data import idx
from digits.errors import run_stage

NOISE = 8  # grey levels, up or down
STAGES = ("convert", "resplit", "standardize", "train dense")
WANTED = 1.2, 500e6  # of the memory at 1x, and bytes besides


def main() -> None:
    """Measure every size in turn."""
    parser = measuring.parser("growth", __doc__)
    what = "copies of the data (10)"
    parser.add_argument("--times", type=measuring.count, nargs="+", default=[10], help=what)
    times = parser.parse_args().times
    measuring.require("dvc repro download", str(measuring.RAW))
    used: dict[int, dict[str, measuring.Used]] = {}
    for copies in sorted({1, *times}):
        with tempfile.TemporaryDirectory(dir=".", prefix=".growth-") as folder:
            used[copies] = measure(Path(folder), copies)
        measuring.write("growth", [figure(used, stage, n) for stage in STAGES for n in used])


def measure(folder: Path, copies: int) -> dict[str, measuring.Used]:
    """Run the stages on so many copies in ``folder``."""
    images = multiply(folder / measuring.RAW, copies)
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["split"].update(train=0.68, test=0.4, dev=0.05)
    content["architectures"]["dense"]["epochs"] = 1
    yaml.dump(content, folder / "params.yaml")
    used = {}
    for stage in STAGES:
        used[stage] = measuring.run(f"stages.{stage}".split(), folder)
        print(f"{copies}x, {images:,} images: {stage}: {used[stage]}", flush=True)
    return used


def multiply(folder: Path, copies: int) -> int:
    """Write the raw files so many times, with noise; return how many images there are."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    total = 0
    for names in idx.FILES.values():
        images, labels = idx.read_pair(*(measuring.RAW / name for name in names))
        for name, array in zip(names, (images, labels), strict=True):
            shape = len(array) * copies, *array.shape[1:]
            with gzip.open(folder / name, "wb", compresslevel=1) as file:
                file.write(struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape))
                for copy in range(copies):
                    level = NOISE if copy and array is images else 0
                    noise = rng.integers(-level, level + 1, array.shape, dtype=np.int16)
                    file.write(np.clip(array + noise, 0, 255).astype(np.uint8).tobytes())
        total += len(images) * copies
    return total


def figure(used: dict[int, dict[str, measuring.Used]], stage: str, copies: int) -> dict[str, Any]:
    """Describe how a stage grew since 1x, and since the size before."""
    one, many = used[1][stage], used[copies][stage]
    fewer = max((size for size in used if size < copies), default=1)
    ratios = {
        "seconds_an_image": many.seconds / one.seconds / copies,
        "processor_an_image": many.cpu / one.cpu / copies,
        "of_the_size_before": many.seconds / used[fewer][stage].seconds * fewer / copies,
    }
    share, more = WANTED
    return {
        "stage": stage,
        "times": copies,
        "seconds": round(many.seconds, 1),
        **{name: float(f"{ratio:.3g}") for name, ratio in ratios.items()},
        "megabytes": round(many.memory / 1e6),
        "megabytes_wanted": round((share * one.memory + more) / 1e6),
    }


if __name__ == "__main__":
    run_stage("bench", main)
