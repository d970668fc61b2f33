"""Where the time goes: in a training's step by kind of work, in other stages by module.

A step is profiled by TensorFlow while some seconds' images are learned as the pipeline does, in an
epoch after one that is not profiled. The time in which kernels work, those that prepare batches
among them, is divided by how long each kind takes; in the rest Python works or waits, for
callbacks and a checkpoint. Stages run under Python's own profiler. Either makes what it looks at
slower: `bench.training_speed` tells how fast a training is. Needs what `dvc repro` wrote.

    python -m bench.profiling lenet5 lenet5_v2
"""

import argparse
import multiprocessing
import pstats
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from bench import measuring, training_speed
from digits import config, networks
from digits.data import dataset
from digits.errors import PipelineError, run_stage
from digits.training import determinism, fit

LEARNING = 4  # seconds while profiled, of slow networks
DEV = 256  # images; reading them is not a training's step
KERNEL = re.compile(r"[^:]+:[^: ]+")  # the layer's place and the kernel
INPUT = "tf_data"  # begins the names of threads that prepare batches
# Kernels by what their names, or their layers', contain; the first that fits.
PARTS = {
    "convolutions backward": ("Conv2DBackprop",),
    "convolutions forward": ("Conv2D",),
    "BatchNorm": ("batch_normalization", "/batchnorm/", "/moments/"),
    "pooling": ("Pool",),
    "dense layers": ("MatMul",),
    "optimizer": ("/adam", "/cycled_adam", "/rm_sprop", "/adadelta"),  # a second one is adam_1
}
REST, PREPARING = "activations, dropout, loss and others", "preparing batches"
IDLE = "no kernel at work"
MODULES = 6  # shown of a stage
OWN = "digits, stages"
BUILT_IN = re.compile(r"<built-in method (.+)\.\w+>|<method '.+' of '(.+)' objects>")
# Stages and what they read.
STAGES = {
    "convert": ("data/raw",),
    "standardize": ("data/png", "data/split.csv"),
    "evaluate": ("params.yaml", "data/standardized", "data/split.csv"),
}


def main() -> None:
    """Profile the stages and the architectures named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.profiling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="architectures of params.yaml (all of them)")
    names = parser.parse_args().names or list(config.load().architectures)
    for name in names:
        config.architecture(config.load(), name)
    figures: list[dict[str, Any]] = []
    for name in STAGES:
        figures.append(stage(name, names[0]))
        _show(figures[-1])
    for name in names:
        speed = training_speed.run(training_speed.OURS, name, training_speed.FIRST_LOOK)
        # A process of its own: neither determinism nor a profile can be switched off again.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            figures.append(pool.submit(step, name, int(LEARNING * speed)).result())
        _show(figures[-1])
    measuring.write("profiling", figures)


def stage(name: str, network: str) -> dict[str, Any]:
    """Run a stage under Python's profiler, in a folder with nothing but what it reads.

    Returns:
        profile: the stage; milliseconds; parts: shares of the modules that take longest, and of
            all others.
    """
    inputs = list(STAGES[name])
    command = [f"stages.{name}"]
    if name == "evaluate":
        inputs += [f"models/{network}", f"plots/train/{network}.csv"]
        command += [network]
    with tempfile.TemporaryDirectory() as folder:
        for path in inputs:
            if not Path(path).exists():
                raise PipelineError(f"{path} is missing; `dvc repro` makes it")
            (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / path).symlink_to(Path(path).absolute())
        output = Path(folder) / "profile"
        measuring.run(["cProfile", "-o", output, "-m", *command], Path(folder))
        content = pstats.Stats(str(output))
    own: Counter[str] = Counter()
    for function, (_, _, seconds, *_) in content.stats.items():  # type: ignore[attr-defined]
        own[_module(function)] += seconds
    total = own.total()
    parts = {key: round(value / total, 3) for key, value in own.most_common(MODULES)}
    return {
        "profile": f"{name} {network}" if name == "evaluate" else name,
        "milliseconds": round(1000 * total),
        "parts": {**parts, "others": round(1 - sum(parts.values()), 3)},
    }


def step(name: str, images: int) -> dict[str, Any]:
    """Train an architecture for two epochs of some images, and profile the second.

    Args:
        name: of the architecture.
        images: that it learns, in whole batches; fewer where there are no more.

    Returns:
        profile: its name; milliseconds of a step; parts: shares of them.
    """
    values = config.load()
    settings = config.architecture(values, name)
    phase = settings.plan[-1].model_copy(update={"epochs": 2, "learning_rate": 0.001})
    settings = settings.model_copy(update={"phases": [phase]})
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    batches = max(1, min(images, len(data.rows["train"])) // settings.batch_size)
    data.rows["train"] = data.rows["train"][: batches * settings.batch_size]
    data.rows["dev"] = data.rows["dev"][:DEV]
    determinism.pin(values.seed, values.threads)
    model = networks.build(name, settings, data.mean, data.std)
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def note(curves: pd.DataFrame) -> None:
            if ends:
                ends.append(time.perf_counter())
                tf.profiler.experimental.stop()
            else:
                tf.profiler.experimental.start(folder)
                ends.append(time.perf_counter())

        fit.fit(model, settings, data, values.seed, Path(folder) / "state.npz", "", note)
        (path,) = Path(folder).rglob("*.xplane.pb")
        seconds = ends[1] - ends[0]
        return {
            "profile": f"{name}, a step",
            "milliseconds": float(f"{1000 * seconds / batches:.3g}"),
            "parts": shares(path.read_bytes(), seconds),
        }


def shares(profile: bytes, seconds: float) -> dict[str, float]:
    """Divide a time by what a TensorFlow profile of it says.

    Args:
        profile: an .xplane.pb file's content.
        seconds: it is of.

    Returns:
        The share of each kind of work, and that in which no kernel was at work.

    Raises:
        PipelineError: there are no kernels in it.
    """
    space = xplane_pb2.XSpace.FromString(profile)
    spent: Counter[str] = Counter()
    times = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if KERNEL.fullmatch(name):
                    part = PREPARING if line.name.startswith(INPUT) else _part(name)
                    spent[part] += event.duration_ps
                    begin = 1000 * line.timestamp_ns + event.offset_ps
                    times.append((begin, begin + event.duration_ps))
    if not spent:
        raise PipelineError("TensorFlow's profile has no kernels; is it another version's?")
    busy = covered(times) / 1e12 / seconds
    total = spent.total()
    parts = {part: round(busy * time / total, 3) for part, time in spent.items()}
    return {**parts, IDLE: round(1 - busy, 3)}


def covered(times: Iterable[tuple[int, int]]) -> int:
    """Return how much time lies in one of these, at least, each from a begin to an end."""
    total = last = 0
    for begin, end in sorted(times):
        total += max(0, end - max(begin, last))
        last = max(last, end)
    return total


def _part(kernel: str) -> str:
    """Return the kind of work of a kernel."""
    kinds = (part for part, names in PARTS.items() if any(name in kernel for name in names))
    return next(kinds, REST)


def _module(function: tuple[str, int, str]) -> str:
    """Return the module, package or built-in type that a profiled function is of."""
    file, _, name = function
    if file == "~":  # built in: <built-in method zlib.crc32>, <method 'seek' of '_io.X' objects>
        found = BUILT_IN.fullmatch(name)
        return (found[1] or found[2]).split(".")[0].strip("_") if found else name
    path = Path(file.removeprefix("<frozen "))
    if path.is_relative_to(measuring.ROOT) and "site-packages" not in path.parts:
        return OWN
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    return path.parent.name if path.stem == "__init__" else path.stem.split(".")[0]


def _show(figure: dict[str, Any]) -> None:
    parts = ", ".join(f"{key} {share:.0%}" for key, share in figure["parts"].items())
    print(f"{figure['profile']}: {parts}", flush=True)


if __name__ == "__main__":
    run_stage("bench", main)
