"""What a study costs beside its trainings: many tiny ones, timed from inside and from outside.

Each trains `dense` for one epoch on 100 of scikit-learn's digits. Prints, a line for each fifty
trainings, the seconds a training took by its own clock, what its place at a processor was occupied
beyond that, and the memory of the driver and of its largest worker.

    python -m bench.study_overhead --runs 500
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.datasets import load_digits

from digits import config
from digits.config import Split
from digits.drawing import SIDE
from digits.errors import PipelineError, run_stage
from digits.training import determinism
from studies import engine, jobs
from studies.trial import Trial

LINE = 50  # trainings a line
MEGABYTE = 2**20


@dataclass(frozen=True)
class Timed:
    """A training that also tells how long it took, where, and with how much memory."""

    trial: Trial

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return self.trial.name

    @property
    def threads(self) -> int:
        """Of TensorFlow."""
        return self.trial.threads

    @property
    def content(self) -> Any:
        """All that determines the result."""
        return self.trial.content

    @property
    def modules(self) -> list[str]:
        """The modules whose code determines the result."""
        return self.trial.modules

    def run(self, images: jobs.Images, folder: Path) -> jobs.Result:
        """Train; return seconds, and MB in memory afterwards."""
        start = time.perf_counter()
        self.trial.run(images, folder)
        resident = psutil.Process().memory_info().rss / MEGABYTE
        return {"seconds": time.perf_counter() - start, "resident": resident}


def main() -> None:
    """Run the trainings."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.study_overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=500, help="trainings (default: 500)")
    runs = parser.parse_args().runs
    if runs < 1:
        raise PipelineError("--runs must be at least 1")
    determinism.pin(0, 1)
    settings = config.architecture(config.load(), "dense").model_copy(update={"epochs": 1})
    split = Split(seed=1, scheme="resplit", train=0.6, test=0.4, dev=0.05)
    first = Timed(Trial("tiny", settings, split, 100, 0, 1))
    trainings = {
        str(seed): replace(first, trial=replace(first.trial, seed=seed)) for seed in range(runs)
    }
    with tempfile.TemporaryDirectory() as store:
        measure(trainings, read(), Path(store))


def read() -> jobs.Images:
    """Return scikit-learn's digits, drawn into 28x28 pixels."""
    bunch = load_digits()
    pixels = (bunch.images * 15.9).astype("uint8").repeat(3, axis=1).repeat(3, axis=2)
    margin = (SIDE - pixels.shape[1]) // 2
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin)))
    labels = bunch.target.astype("uint8")
    return jobs.Images(padded, labels, labels * 0)


def measure(trainings: dict[str, Timed], images: jobs.Images, store: Path) -> None:
    """Run them all, and print what they cost."""
    rows: list[dict[str, float]] = []
    places = os.cpu_count() or 1
    began = last = time.perf_counter()
    for _, result in engine.run(trainings, images, store):
        rows.append({**result, "driver": psutil.Process().memory_info().rss / MEGABYTE})
        if len(rows) % LINE and len(rows) < len(trainings):
            continue
        now = time.perf_counter()
        table = pd.DataFrame(rows[-((len(rows) - 1) % LINE + 1) :])
        occupied = (now - last) * places / len(table)
        print(
            f"{len(rows)} trainings: {table['seconds'].mean():.2f} s each by their own clock, "
            f"{occupied - table['seconds'].mean():.2f} s more of a processor; "
            f"driver {rows[-1]['driver']:.0f} MB, largest worker {table['resident'].max():.0f} MB",
            flush=True,
        )
        last = now
    inside = sum(row["seconds"] for row in rows)
    total = time.perf_counter() - began
    print(
        f"{len(rows)} trainings in {total:.0f} s at {places} places; beside the trainings, "
        f"starting Ray and workers included: {(total * places - inside) / len(rows):.2f} s of a "
        "processor each"
    )


if __name__ == "__main__":
    run_stage("bench", main)
