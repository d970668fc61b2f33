"""What a study's trainings have in common: the images, who they are, and how a network learns."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from digits import networks
from digits.config import Architecture
from digits.data import dataset
from digits.data.png_archive import Archive
from digits.training import determinism, fit
from stages.standardize import mean_and_deviation
from studies import sources

Result = dict[str, Any]

# The schema of the parameters can only refuse values; how images are read shows in their digest.
WITHOUT_EFFECT = ("digits/config.py", "digits/data/png_archive.py")


@dataclass(frozen=True)
class Images:
    """All images of a data set; row number and id are the same.

    Attributes:
        pixels: uint8 (n, 28, 28), 0 (black) to 255.
        labels: uint8 (n,), 0 to 9.
        sources: uint8 (n,), 0 for the data set's own training images, 1 for its testing images.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    sources: NDArray[np.uint8]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of all there is."""
        digest = hashlib.sha256()
        for array in (self.pixels, self.labels, self.sources):
            digest.update(array.tobytes())
        return digest.hexdigest()


class Job(Protocol):
    """One training. It can be sent to another machine, and repeats bit for bit."""

    @property
    def name(self) -> str:
        """What to call it in messages."""

    @property
    def threads(self) -> int:
        """Threads of TensorFlow that it computes with."""

    @property
    def content(self) -> Any:
        """All that determines the result, beside images and code; it has a telling ``repr``."""

    @property
    def modules(self) -> list[str]:
        """The modules whose code determines the result; what these import goes without saying."""

    def run(self, images: Images, folder: Path) -> Result:
        """Train, going on from what is in ``folder``, and return what JSON can hold."""


def read(png: Path) -> Images:
    """Read what the convert stage wrote.

    Raises:
        PipelineError: a file is damaged.
        FileNotFoundError: a file is missing.
    """
    with Archive(png / "training.zip", png / "testing.zip") as archive:
        pixels = np.stack(list(archive.images(range(len(archive)))))
        return Images(pixels, archive.labels.copy(), archive.sources.copy())


def identify(job: Job, images: Images) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of all that determines a job's result."""
    whole = repr((job.content, images.digest, _code(tuple(job.modules)), versions()))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def versions() -> dict[str, str]:
    """Return the versions of the libraries that compute."""
    return {module.__name__: module.__version__ for module in (tf, keras, np)}


@functools.cache
def _code(modules: tuple[str, ...]) -> str:
    """Return the SHA-256 of the modules and of what they import, but of `WITHOUT_EFFECT`."""
    digest = hashlib.sha256()
    without = {sources.ROOT / path for path in WITHOUT_EFFECT}
    for path in sorted(sources.files_of(modules) - without):
        digest.update(path.relative_to(sources.ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def standardize(images: Images, rows: dict[str, NDArray[np.int64]]) -> dataset.Dataset:
    """Return the images that are in any set, scaled by mean and deviation of those in ``train``.

    Args:
        images: all.
        rows: row numbers by set. In the result they are those of its own, fewer images.
    """
    mean, deviation = mean_and_deviation(images.pixels[row] for row in rows["train"])
    kept = np.unique(np.concatenate(list(rows.values())))
    levels = ((np.arange(256) - mean) / deviation).astype(np.float32)
    places = {name: np.searchsorted(kept, members) for name, members in rows.items()}
    scaled = levels[images.pixels[kept]]
    return dataset.Dataset(scaled, images.labels[kept], mean, deviation, places)


def train(
    settings: Architecture,
    data: dataset.Dataset,
    seed: int,
    threads: int,
    folder: Path,
    on_curves: Callable[[pd.DataFrame], None] = lambda curves: None,
) -> keras.Model:
    """Return a trained network; ``folder`` keeps the state after each epoch, as state.npz."""
    keras.backend.clear_session()  # nothing of an earlier training in this process
    determinism.pin(seed, threads)
    model = networks.build(settings.network, settings, data.mean, data.deviation)
    fit.fit(model, settings, data, seed, folder / "state.npz", "", on_curves)
    return model


def modules_of(job_module: str, architectures: Iterable[Architecture]) -> list[str]:
    """Return a job's modules, with the networks that are imported by name."""
    return [job_module, *sorted({f"digits.networks.{one.network}" for one in architectures})]
