"""Exported networks, a server that runs one, and a browser."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from app.classifier import MODEL
from app.site.__main__ import build
from digits.export import litert
from digits.io import write_json
from tests.app.serving import Server, hosted
from tests.app.visitor import CHROMIUM, visit
from tests.workspace import ROOT


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the app's network as the export stage leaves it, beside one that always predicts 7."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copy(ROOT / MODEL, folder / "network.tflite")
    pixels, layer = keras.Input((28, 28, 1), batch_size=1), keras.layers.Dense(10, "softmax")
    sevens = keras.Model(pixels, layer(keras.layers.Flatten()(pixels)))
    layer.set_weights([np.zeros((784, 10)), 9 * np.eye(10)[7]])
    with warnings.catch_warnings(action="ignore"):  # of TensorFlow's converter
        litert.write(sevens, folder / "sevens.tflite")
    for name, accuracy, kinds in (("network", 0.9, ["L2", "dropout"]), ("sevens", 0.95, [])):
        card = {"metrics": {"test": accuracy}, "regularization": kinds}
        write_json(folder / f"{name}.json", card)
    return folder / "network.tflite"


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[Server]:
    """Return a server that is up. Whatever it is sent, it must have nothing to complain about."""
    with Server(model) as server:
        yield server


@pytest.fixture(scope="module")  # while it is open, no other test could use asyncio
def browser() -> Iterator[Browser]:
    """Return the system's Chromium, without a window."""
    if not CHROMIUM["executable_path"] and "CI" not in os.environ:
        pytest.skip("there is no chromium or google-chrome on the PATH")
    with sync_playwright() as playwright, playwright.chromium.launch(**CHROMIUM) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visit(browser, viewport={"width": 1280, "height": 800}) as page:
        yield page


@pytest.fixture(scope="session")
def site(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("npm") and "CI" not in os.environ:
        pytest.skip("there is no npm on the PATH")
    folder = tmp_path_factory.mktemp("built") / "site"
    build(model, folder)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with hosted(site) as address:
        yield address


@pytest.fixture(params=["server", "address"])
def either(request: pytest.FixtureRequest) -> str:
    """Return the address of the server's page or of the site."""
    found = request.getfixturevalue(request.param)
    return str(getattr(found, "url", found))
