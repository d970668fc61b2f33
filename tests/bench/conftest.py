"""What the tests of the app have, for those of its measurements, and data to train on."""

from pathlib import Path

import numpy as np
import pytest

from tests.app.conftest import browser, images, model, network, page, server  # noqa: F401
from tests.studies.conftest import images as optdigits  # noqa: F401
from tests.workspace import write_data, write_params


@pytest.fixture
def standardized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with what standardize wrote."""
    noise = np.random.default_rng(0).normal(size=(700, 28, 28)).astype(np.float32)
    sets = {"train": range(400), "dev": range(400, 420), "test": range(420, 700)}
    write_data(tmp_path, noise, np.arange(700) % 10, sets)
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
