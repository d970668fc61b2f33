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
from app.site.build import build
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


@pytest.fixture(scope="session")
def network(images: np.ndarray) -> keras.Model:
    """Return a network that classifies clear digits: by ridge regression, which takes no time."""
    inputs = np.column_stack([images.reshape(-1, 784) / 255, np.ones(len(images))])
    classes = np.eye(10)[np.arange(len(images)) % 10]
    weights = 10 * np.linalg.solve(inputs.T @ inputs + 10 * np.eye(785), inputs.T @ classes)
    pixels = keras.Input((28, 28, 1), batch_size=1)
    linear = layers.Dense(10, "softmax")
    network = keras.Model(pixels, linear(layers.Flatten()(layers.Rescaling(1 / 255)(pixels))))
    linear.set_weights([weights[:-1], weights[-1]])
    return network


@pytest.fixture(scope="session")
def model(
    network: keras.Model, images: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the network as the export stage leaves it, beside one that always predicts 7."""
    folder = tmp_path_factory.mktemp("export")
    pixels = keras.Input((28, 28, 1), batch_size=1)
    constant = layers.Dense(10, "softmax")
    sevens = keras.Model(pixels, constant(layers.Flatten()(pixels)))
    constant.set_weights([np.full((784, 10), 1e-6), 9 * np.eye(10)[7]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFlow's converter
        litert.write_int8(network, folder / "network.tflite", images)
        litert.write_int8(sevens, folder / "sevens.tflite", images)
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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return a page on a desktop. At the end, nothing may have been complained about."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    complaints = watch(page)
    yield page
    page.context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def site(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the static site with the same network."""
    if not shutil.which("npm") and "CI" not in os.environ:
        pytest.skip("there is no npm on the PATH")
    folder = tmp_path_factory.mktemp("built") / "site"
    build(model, folder)
    return folder


@pytest.fixture(scope="session", params=["server", "site"])
def either(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of the server's page or of the site."""
    if request.param == "server":
        yield request.getfixturevalue("server").url
    else:
        with hosted(request.getfixturevalue("site")) as address:
            yield address
