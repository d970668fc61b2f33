"""Exported networks, a server that runs one, and a browser."""

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from playwright.sync_api import Browser, Page, sync_playwright

from app import drawing
from app.site.__main__ import build
from bench import strokes
from digits.export import litert
from digits.io import write_json
from tests.app.serving import Server, hosted
from tests.app.visitor import CHROMIUM, DIGITS, watch


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Return the tests' own handwriting, turned, sheared and stretched a little, 40 of each."""
    random = np.random.default_rng(1)
    written = [
        [np.array(stroke) @ (np.eye(2) + warp) for stroke in DIGITS[number % 10]]
        for number, warp in enumerate(random.normal(0, 0.1, (400, 2, 2)))
    ]
    pen = strokes.PLACEMENTS["large, centred"]
    return np.stack([drawing.normalise(strokes.draw(digit, pen)) for digit in written])


def linear(weights: np.ndarray, bias: np.ndarray) -> keras.Model:
    """Return a network of one layer."""
    pixels, layer = keras.Input((28, 28, 1), batch_size=1), layers.Dense(10, "softmax")
    network = keras.Model(pixels, layer(layers.Flatten()(layers.Rescaling(1 / 255)(pixels))))
    layer.set_weights([weights, bias])
    return network


@pytest.fixture(scope="session")
def network(images: np.ndarray) -> keras.Model:
    """Return a network that classifies clear digits: by ridge regression, which takes no time."""
    inputs = np.column_stack([images.reshape(-1, 784) / 255, np.ones(len(images))])
    classes = np.eye(10)[np.arange(len(images)) % 10]
    weights = 10 * np.linalg.solve(inputs.T @ inputs + 10 * np.eye(785), inputs.T @ classes)
    return linear(weights[:-1], weights[-1])


@pytest.fixture(scope="session")
def model(
    network: keras.Model, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the network as the export stage leaves it, beside one that always predicts 7."""
    folder = tmp_path_factory.mktemp("export")
    sevens = linear(np.full((784, 10), 1e-4), 9 * np.eye(10)[7])
    for name, one, accuracy, kinds in (
        ("network", network, 0.9, ["L2", "dropout"]),
        ("sevens", sevens, 0.95, []),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TensorFlow's converter
            litert.write(one, folder / f"{name}.tflite", images)
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
    """Return a page on a desktop. At the end, nothing may have been complained about."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        complaints = watch(page)
        yield page
    assert complaints == []


@pytest.fixture(scope="session")
def site(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the static site with the same network."""
    if not shutil.which("npm") and "CI" not in os.environ:
        pytest.skip("there is no npm on the PATH")
    folder = tmp_path_factory.mktemp("built") / "site"
    build(model, folder)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Return the address of the site on a web server."""
    with hosted(site) as address:
        yield address


@pytest.fixture(params=["server", "site"])
def either(request: pytest.FixtureRequest) -> str:
    """Return the address of the server's page or of the site."""
    if request.param == "site":
        return str(request.getfixturevalue("address"))
    return str(request.getfixturevalue("server").url)
