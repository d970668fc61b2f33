"""A whole training by a recipe: its backbone, its learning rate, its phases.

The train stage, every study and the benchmarks train by `train`, here and nowhere else.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.training import pretraining, range_test
from digits.training.fit import OnCurves, build, fit

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    ``ends`` are the files of the network at the end of each phase, as `model_file.save` writes
    them; ``parameters`` is their number; ``learning_rate`` was suggested by a range test, if there
    was one, with the ``rates`` that `range_test.run` returned.
    """

    ends: list[Path]
    parameters: int
    learning_rate: float | None = None
    rates: pd.DataFrame | None = None


def train(
    name: str,
    recipe: Architecture,
    data: Dataset,
    seed: int,
    threads: int,
    folder: Path,
    on_curves: OnCurves = lambda table: None,
) -> Trained:
    """Train a network by a recipe, going on from what ``folder`` has of this run.

    ``name`` is the network's; ``seed`` decides its weights and the letters as well; ``threads`` of
    TensorFlow are pinned in this process. All else is as in `fit`, also when it raises
    PipelineError.
    """
    # A training that follows another one in the same process does not always repeat bit for bit.
    backbone = None
    if recipe.pretrained != "none":
        scale = replace(data, images=data.images[:0])  # letters need no more of the data
        backbone = _apart(pretraining.make_backbone, name, recipe, scale, seed, threads, folder)
    learning_rate, rates = None, None
    if "suggested" in recipe.rates:
        rates = _apart(_range_test, name, recipe, data, seed, threads, backbone)
        learning_rate = range_test.suggest(rates)
        print(f"{name}: suggested learning rate {learning_rate:g}", flush=True)
    model = build(name, recipe, data, seed, threads, backbone)
    print(f"{name}: {model.count_params():,} parameters, {len(data.rows['train']):,} images")
    ends = fit(
        model, recipe, data, seed, threads, folder, learning_rate=learning_rate, on_curves=on_curves
    )
    return Trained(ends, model.count_params(), learning_rate, rates)


def _range_test(
    name: str, recipe: Architecture, data: Dataset, seed: int, threads: int, backbone: Path | None
) -> pd.DataFrame:
    model = build(name, recipe, data, seed, threads, backbone)
    with tqdm(total=recipe.range_test.batches, desc="range test", file=sys.stderr) as bar:
        return range_test.run(model, recipe, data, seed, bar.update)


def _apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a process of its own, which ends with this one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_end_with_parent) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BaseException:  # Ctrl-C is one
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this process was started by another

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def best_on_dev(probabilities: list[NDArray[np.float32]], labels: NDArray[np.uint8]) -> int:
    """Return the place of the network with the highest dev accuracy, then the lowest loss.

    There are ``probabilities``, (n, 10), of each; ``labels`` are (n,), 0 to 9.
    """

    def merit(one: NDArray[np.float32]) -> tuple[float, float]:
        certainty = np.clip(one[range(len(labels)), labels].astype(np.float64), 1e-7, 1 - 1e-7)
        return float((one.argmax(axis=1) == labels).mean()), float(np.log(certainty).mean())

    merits = [merit(one) for one in probabilities]
    return merits.index(max(merits))
