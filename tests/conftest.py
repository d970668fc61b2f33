"""Fixtures that several test modules share."""

import gzip
import os
import signal
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from digits.data import mirrors
from digits.training import determinism, identity
from tests import tiny as tiny_network
from tests.workspace import run, write_params

# A job in the background starts with Ctrl-C ignored, and would hand that on to the stages it runs.
signal.signal(signal.SIGINT, signal.default_int_handler)
if mirror := mirrors.own(os.environ.get("MNIST_MIRROR")):
    os.environ["MNIST_MIRROR"] = mirror[0]  # a folder's absolute path: tests work in other folders
determinism.pin(0, 1)  # whichever test runs first; trainings in this process are of one thread

IdxMaker = Callable[..., None]
Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Answer], str]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the genuine MNIST where nobody says where it lies; CI always does."""
    if item.get_closest_marker("mnist") and not os.environ.get("MNIST_MIRROR"):
        pytest.skip("MNIST_MIRROR names no folder or address with the genuine MNIST files")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in one line which tests were left out, and what they want."""
    skipped = Counter(one.longrepr[2] for one in terminalreporter.stats.get("skipped", []))
    reasons = [f"{count} ({why.removeprefix('Skipped: ')})" for why, count in skipped.items()]
    if reasons:
        terminalreporter.write_line(f"left out: {', '.join(reasons)}")


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the four genuine files, as the download stage leaves it."""
    folder = tmp_path_factory.mktemp("mnist")
    write_params(folder)
    run(folder, "stages.download")
    return folder / "data/raw"


@pytest.fixture(scope="session")
def noisy() -> tuple[np.ndarray, np.ndarray]:
    """Return 400 noisy images, float32 (400, 28, 28), and classes: the brightest row tells them."""
    rng = np.random.default_rng(0)
    labels = (np.arange(400) % 10).astype(np.uint8)
    images = rng.normal(0, 0.5, (400, 28, 28)).astype(np.float32)
    images[np.arange(400), 4 + 2 * labels] += 2
    return images, labels


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of the network in tests/tiny.py, as if it lay in digits/networks/."""
    monkeypatch.setitem(sys.modules, "digits.networks.tiny", tiny_network)
    monkeypatch.setattr(identity, "code", lambda recipe: "of no file")
    return "tiny"


def idx_bytes(array: npt.NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an unsigned byte array, made without the code under test."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def idx_files() -> IdxMaker:
    """Return a maker of the four files of a small data set of noise, labels 0 to 9 in turn."""

    def make(folder: Path, training: int = 60, testing: int = 20, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        for prefix, count in (("train", training), ("t10k", testing)):
            images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            labels = (np.arange(count) % 10).astype(np.uint8)
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                path = folder / f"{prefix}-{kind}-ubyte.gz"
                path.write_bytes(gzip.compress(idx_bytes(array), mtime=0))

    return make


def kaggle_csv(path: Path, images: np.ndarray, labels: np.ndarray | None = None) -> None:
    """Write Kaggle's train.csv, or without labels its test.csv, of images (n, 28, 28)."""
    columns = [f"pixel{number}" for number in range(784)]
    rows = images.reshape(-1, 784)
    if labels is not None:
        columns, rows = ["label", *columns], np.column_stack([labels, rows])
    names = [str(level) for level in range(256)]
    lines = [",".join(columns), *(",".join([names[level] for level in row]) for row in rows)]
    path.write_text("\n".join(lines) + "\n", newline="")


class Server(ThreadingHTTPServer):
    """A web server whose handlers end when the client hangs up, without a word."""

    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a starter of web servers on this machine: takes what to answer, gives the URL."""
    with ExitStack() as stack:

        def start(answer: Answer) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    answer(self)

                def log_message(self, *args: Any) -> None:
                    pass

            server = stack.enter_context(Server(("127.0.0.1", 0), Handler))
            Thread(target=server.serve_forever, args=(0.02,)).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start
