"""A small data set, networks, and recipes that a test trains in a second."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from digits import config, networks
from digits.config import Architecture
from digits.data.dataset import Dataset

ARCHITECTURES = config.load().architectures
ADAM = {"name": "adam", "learning_rate": 0.001}
SMALL = {"network": "dense", "width": 0.25, "epochs": 1, "batch_size": 32, "optimizer": ADAM}
CYCLE = {"name": "one_cycle", "end_divisor": 100, "momentum": {"highest": 0.95, "lowest": 0.85}}
PHASES = {  # of the network `tiny`
    "network": "tiny",
    "epochs": None,
    "optimizer": {"name": "adam"},
    "dropout": 0.25,
    "phases": {
        "head": {"epochs": 2, "schedule": CYCLE, "learning_rate": "suggested"},
        "all": {"epochs": 3, "schedule": CYCLE, "learning_rate": {"from": 0.001, "to": 0.01}},
    },
}


@cache
def build(name: str, **changes: Any) -> keras.Model:
    """Return the network of an architecture, shared: no test may rely on its weights."""
    how = ARCHITECTURES[name].model_copy(update=changes)
    return networks.build(name, how, mean=33.0, std=78.0)


def recipe(**changes: Any) -> Architecture:
    """Return the recipe of a small network with some keys changed."""
    return config.check(Architecture, {**SMALL, **changes}, "test")


def build_tiny() -> keras.Model:
    """Return a network that learns in `PHASES`, of its own weights; wants the fixture `tiny`."""
    return networks.build("mine", recipe(**PHASES), mean=33.0, std=78.0)


@pytest.fixture(scope="session")
def data(noisy: tuple[np.ndarray, np.ndarray]) -> Dataset:
    """Return 320 images to train on and 80 for dev."""
    return Dataset(*noisy, 33.0, 78.0, {"train": np.arange(320), "dev": np.arange(320, 400)})
