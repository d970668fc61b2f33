"""Where the time goes: in a training's step by kind of work, in other stages by module.

A step is profiled by TensorFlow, in an epoch after one that is not. The time in which kernels work,
those that prepare batches among them, is divided by how long each kind takes; in the rest Python
works or waits, for callbacks and a checkpoint. Stages run under Python's own profiler. Either makes
what it looks at slower: `bench.training_speed` measures how fast a training is.

    python -m bench.profiling lenet5 lenet5_v2
"""

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

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from bench import measuring, training_speed
from digits import config
from digits.errors import PipelineError, run_stage
from digits.training import fit

LEARNING = 4  # seconds while profiled, of slow networks
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
    "evaluate": ("params.yaml", "data/predictions", "data/split.csv", "data/standardized"),
}


def main() -> None:
    """Profile the stages and the architectures named on the command line."""
    parser = measuring.parser("profiling", __doc__)
    parser.add_argument("names", nargs="*", help="architectures of params.yaml (all of them)")
    names = parser.parse_args().names or list(config.load().architectures)
    for name in names:
        config.architecture(config.load(), name)
    figures = [stage(one, names[0]) for one in STAGES]
    for name in names:
        speed = training_speed.run(training_speed.OURS, name, training_speed.FIRST_LOOK)
        # A process of its own: neither determinism nor a profile can be switched off again.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            figures.append(pool.submit(step, name, int(LEARNING * speed)).result())
    for one in figures:
        parts = ", ".join(f"{key} {share:.0%}" for key, share in one["parts"].items())
        print(f"{one['profile']}: {parts}")
    measuring.write("profiling", figures)


def stage(name: str, network: str) -> dict[str, Any]:
    """Return the shares of the modules that take longest in a stage, run on links to its inputs."""
    profile = f"{name} {network}" if name == "evaluate" else name
    measuring.require("make repro", *STAGES[name])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in STAGES[name]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(Path(path).absolute())
        measuring.run(f"cProfile -o profile -m stages.{profile}".split(), folder)
        content = pstats.Stats(str(folder / "profile"))
    own: Counter[str] = Counter()
    for function, (_, _, seconds, *_) in content.stats.items():  # type: ignore[attr-defined]
        own[_module(function)] += seconds
    total = own.total()
    parts = {key: round(value / total, 3) for key, value in own.most_common(MODULES)}
    return {
        "profile": profile,
        "milliseconds": round(1000 * total),
        "parts": {**parts, "others": round(1 - sum(parts.values()), 3)},
    }


def step(name: str, images: int) -> dict[str, Any]:
    """Train on some images, in whole batches, for two epochs; return the second's shares."""
    values, recipe, data = measuring.short_training(name, 2, images)
    batches = max(1, len(data.rows["train"]) // recipe.batch_size)
    data.rows["train"] = data.rows["train"][: batches * recipe.batch_size]
    model = fit.build(name, recipe, data, values.seed, values.threads)
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def note(curves: pd.DataFrame) -> None:
            if ends:
                ends.append(time.perf_counter())
                tf.profiler.experimental.stop()
            else:
                tf.profiler.experimental.start(folder)
                ends.append(time.perf_counter())

        work = Path(folder) / "work"
        fit.fit(model, recipe, data, values.seed, values.threads, work, on_curves=note)
        (path,) = Path(folder).rglob("*.xplane.pb")
        seconds = ends[1] - ends[0]
        return {
            "profile": f"{name}, a step",
            "milliseconds": float(f"{1000 * seconds / batches:.3g}"),
            "parts": shares(path.read_bytes(), seconds),
        }


def shares(profile: bytes, seconds: float) -> dict[str, float]:
    """Return the share of each kind of work, and that in which no kernel was at work.

    Args:
        profile: an .xplane.pb file's content.
        seconds: it is of.

    Raises:
        PipelineError: there are no kernels in it.
    """
    spent: Counter[str] = Counter()
    times = []
    for plane in xplane_pb2.XSpace.FromString(profile).planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if KERNEL.fullmatch(name):
                    spent[PREPARING if line.name.startswith(INPUT) else _part(name)] += (
                        event.duration_ps
                    )
                    begin = 1000 * line.timestamp_ns + event.offset_ps
                    times.append((begin, begin + event.duration_ps))
    if not spent:
        raise PipelineError("TensorFlow's profile has no kernels; is it another version's?")
    busy = covered(times) / 1e12 / seconds
    parts = {part: round(busy * time / spent.total(), 3) for part, time in spent.items()}
    return {**parts, IDLE: round(1 - busy, 3)}


def covered(times: Iterable[tuple[int, int]]) -> int:
    """Return how much time lies in one of these, at least, each from a begin to an end."""
    begins, ends = np.array(sorted(times)).T
    before = np.concatenate([begins[:1], np.maximum.accumulate(ends)[:-1]])
    return int((ends - np.maximum(begins, before)).clip(0).sum())


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
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1]
    if path.is_relative_to(measuring.ROOT):
        return OWN
    return path.parent.name if path.stem == "__init__" else path.stem.split(".")[0]


if __name__ == "__main__":
    run_stage("bench", main)
