"""Does time grow as the data does, and does memory stay? Data stages and an epoch of `dense`.

The data are the project's own raw files so many times, each copy with other noise, written to disk
copy by copy: 3.4 GB for ten, beside the project. Measures convert, resplit, standardize and one
epoch of training `dense`, as whole processes: seconds an image, as a multiple of those for the data
as they are and for the size before, processor time likewise, and the most memory. Starting a
process weighs less with more images, so the second multiple tells more; and what the disk takes,
once more is written than the system keeps in memory, is in seconds and not in processor time.

    python -m bench.growth --times 10
"""

import argparse
import gzip
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from bench import measuring
from digits.data import idx
from digits.errors import PipelineError, run_stage

RAW = Path("data/raw")
NOISE = 8  # grey levels, up or down
STAGES: dict[str, list[str]] = {
    "convert": ["stages.convert"],
    "resplit": ["stages.resplit"],
    "standardize": ["stages.standardize"],
    "train dense": ["stages.train", "dense"],
}
BEFORE_TRAINING = ("lr_find", "pretrain")  # have nothing to do for dense but leave what it reads
WANTED = 1.2, 500e6  # of the memory at 1x, and bytes besides


def main() -> None:
    """Measure every size in turn."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--times", type=int, nargs="+", default=[10], help="copies of the data (10)"
    )
    times = parser.parse_args().times
    if min(times) < 1:
        raise PipelineError("--times must be at least 1")
    if not RAW.exists():
        raise PipelineError(f"{RAW} is missing; `dvc repro download` makes it")
    used: dict[int, dict[str, measuring.Used]] = {}
    for copies in sorted({1, *times}):
        with tempfile.TemporaryDirectory(dir=".", prefix=".growth-") as folder:
            used[copies] = measure(Path(folder), copies)
        figures = [figure(used, stage, n) for stage in STAGES for n in used]
        measuring.write("growth", figures)


def measure(folder: Path, copies: int) -> dict[str, measuring.Used]:
    """Run the stages on so many copies in ``folder``."""
    images = multiply(folder / RAW, copies)
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    content["split"].update(train=0.68, test=0.4, dev=0.05)
    content["architectures"]["dense"]["epochs"] = 1
    yaml.dump(content, folder / "params.yaml")
    used = {}
    for name, command in STAGES.items():
        if name == "train dense":
            for stage in BEFORE_TRAINING:
                measuring.run([f"stages.{stage}", "dense"], folder)
        used[name] = measuring.run(command, folder)
        print(
            f"{copies}x, {images:,} images: {name}: {used[name].seconds:.1f} s, "
            f"{used[name].memory / 1e6:,.0f} MB",
            flush=True,
        )
    return used


def multiply(folder: Path, copies: int) -> int:
    """Write the raw files so many times, with noise; return how many images there are."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    total = 0
    for images_name, labels_name in idx.FILES.values():
        images, labels = idx.read_pair(RAW / images_name, RAW / labels_name)
        count = len(images) * copies
        total += count
        header = struct.pack(">HBBIII", 0, 0x08, 3, count, *images.shape[1:])
        _stream(folder / images_name, header, _noisy(images, copies, rng))
        header = struct.pack(">HBBI", 0, 0x08, 1, count)
        _stream(folder / labels_name, header, (labels for _ in range(copies)))
    return total


def _noisy(
    images: NDArray[np.uint8], copies: int, rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images as they are, then copies whose every pixel is a little off."""
    yield images
    for _ in range(copies - 1):
        noise = rng.integers(-NOISE, NOISE + 1, images.shape, dtype=np.int16)
        yield np.clip(images + noise, 0, 255).astype(np.uint8)


def _stream(path: Path, header: bytes, arrays: Iterator[NDArray[np.uint8]]) -> None:
    """Write an IDX file, hardly compressed."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        for array in arrays:
            file.write(array.tobytes())


def figure(used: dict[int, dict[str, measuring.Used]], stage: str, copies: int) -> dict[str, Any]:
    """Describe how a stage grew since 1x, and since the size before."""
    one, many = used[1][stage], used[copies][stage]
    fewer = max((size for size in used if size < copies), default=1)
    before = used[fewer][stage]
    share, more = WANTED
    processor = many.processor / one.processor / copies
    return {
        "stage": stage,
        "times": copies,
        "seconds": round(many.seconds, 1),
        "seconds_an_image": float(f"{many.seconds / one.seconds / copies:.3g}"),
        "processor_an_image": float(f"{processor:.3g}"),
        "of_the_size_before": float(f"{many.seconds / before.seconds * fewer / copies:.3g}"),
        "megabytes": round(many.memory / 1e6),
        "megabytes_wanted": round((share * one.memory + more) / 1e6),
    }


if __name__ == "__main__":
    run_stage("bench", main)
