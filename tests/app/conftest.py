"""Exported networks, a server that runs one, and a browser."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sklearn.datasets import load_digits

from app import drawing
from bench import strokes
from digits.export import litert
from tests.app.serving import Server
from tests.app.visitor import CHROMIUM, DIGITS, watch


@pytest.fixture(scope="session")
def network() -> keras.Model:
    """Return an untrained network from pixels to probabilities, sure of what it says."""
    keras.utils.set_random_seed(5)
    sure = keras.initializers.RandomNormal(stddev=0.2)
    pixels = keras.Input((28, 28, 1), batch_size=1)
    flat = layers.Flatten()(layers.Rescaling(1 / 255)(pixels))
    return keras.Model(pixels, layers.Dense(10, "softmax", kernel_initializer=sure)(flat))


@pytest.fixture(scope="session")
def model(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the network's LiteRT forms, as the export stage leaves it."""
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    return exported(network, tmp_path_factory.mktemp("export"), noise)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return such a folder with a network that reads clear digits.

    It has learned half of scikit-learn's digits, and variations of the tests' own handwriting.
    """
    levels, labels = load_digits(return_X_y=True)
    own = list(DIGITS) * 20
    random = np.random.default_rng(1)
    images = np.stack(
        [
            *(as_drawn(image) for image in levels.reshape(-1, 8, 8)[::2]),
            *(variation(digit, random) for digit in own),
        ]
    )
    network = trained(images, np.concatenate([labels[::2], own]))
    return exported(network, tmp_path_factory.mktemp("reader"), images[::5])


def exported(network: keras.Model, folder: Path, calibration: np.ndarray) -> Path:
    """Write a network's LiteRT forms into a folder, and return it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TensorFlow's converter
        litert.write_float32(network, folder / "float32.tflite")
        litert.write_int8(network, folder / "int8.tflite", calibration)
    return folder


def as_drawn(image: np.ndarray) -> np.ndarray:
    """Return an image of 8x8 levels, 0 to 16, as if it had been drawn with a pen."""
    small = Image.fromarray((image * 255 / 16).astype(np.uint8))
    large = small.resize((64, 64), Image.Resampling.BICUBIC)
    thin = large.point(lambda level: min(max(3 * (level - 110), 0), 255))
    return drawing.normalise(Image.fromarray(np.pad(np.asarray(thin), 8)))


def variation(digit: int, random: np.random.Generator) -> np.ndarray:
    """Return a digit of the tests' handwriting, turned, slanted and stretched a little."""
    warp = np.eye(2) + random.normal(0, 0.1, (2, 2))
    written = [[(x, y) for x, y in np.array(stroke) @ warp] for stroke in DIGITS[digit]]
    return drawing.normalise(strokes.draw(written, strokes.PLACEMENTS["large, centred"]))


def trained(images: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Return a network from pixels to probabilities that has learned some images."""
    keras.utils.set_random_seed(1)
    distort = [
        layers.RandomRotation(0.03, fill_mode="constant"),
        layers.RandomZoom(0.1, fill_mode="constant"),
        layers.RandomTranslation(0.05, 0.05, fill_mode="constant"),
    ]
    network = keras.Sequential(
        [
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    learner = keras.Sequential([*distort, network])
    learner.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    learner.fit(images[..., None].astype(np.float32), labels, epochs=10, batch_size=64, verbose=0)
    pixels = keras.Input((28, 28, 1), batch_size=1)
    return keras.Model(pixels, network(pixels))


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[Server]:
    """Return a server that is up. Whatever it is sent, it must have nothing to complain about."""
    with Server(model) as server:
        yield server
    assert server.process.returncode == 0
    assert "Traceback" not in server.complaints


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
