"""What a study's trainings have in common: the images, who they are, and how a network learns."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from digits import networks
from digits.config import Architecture
from digits.data.dataset import Dataset
from digits.data.dataset import Images as Images
from digits.data.png_archive import Archive
from digits.data.scaling import standardize as standardize
from digits.training import determinism, fit
from studies import sources

Result = dict[str, Any]

# The schema of the parameters can only refuse values; how images are read shows in their digest.
WITHOUT_EFFECT = ("digits/config.py", "digits/data/png_archive.py")


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
        pixels = archive.read(range(len(archive)))
        return Images(pixels, archive.labels, archive.sources)


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


def train(
    settings: Architecture,
    data: Dataset,
    seed: int,
    threads: int,
    folder: Path,
    on_curves: Callable[[pd.DataFrame], None] = lambda curves: None,
) -> keras.Model:
    """Return a trained network; ``folder`` keeps the state after each epoch, as state.npz."""
    keras.backend.clear_session()  # nothing of an earlier training in this process
    determinism.pin(seed, threads)
    model = networks.build(settings.network, settings, data.mean, data.std)
    fit.fit(model, settings, data, seed, folder / "state.npz", "", on_curves)
    return model


def modules_of(job_module: str, architectures: Iterable[Architecture]) -> list[str]:
    """Return a job's modules, with the networks that are imported by name."""
    return [job_module, *sorted({f"digits.networks.{one.network}" for one in architectures})]
