"""Fixtures that several test modules share."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from digits.data import idx, mirrors
from digits.training import determinism, identity
from tests import tiny as tiny_network
from tests.workspace import run, write_params

# A job in the background starts with Ctrl-C ignored, and would hand that on to the stages it runs.
signal.signal(signal.SIGINT, signal.default_int_handler)
if mirror := mirrors.own(os.environ.get("MNIST_MIRROR")):
    os.environ["MNIST_MIRROR"] = mirror[0]  # a folder's absolute path: tests work in other folders
determinism.pin(0, 1)  # whichever test runs first; trainings in this process are of one thread

Answer = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Answer], str]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the genuine MNIST where nobody says where it lies; CI always does."""
    if item.get_closest_marker("mnist") and not os.environ.get("MNIST_MIRROR"):
        pytest.skip("MNIST_MIRROR names no folder or address with the genuine MNIST files")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, or they would run alone at the end."""
    longest = "tests/test_pipeline.py", "tests/studies/test_run.py"
    items.sort(key=lambda item: not item.nodeid.startswith(longest))


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


def idx_files(folder: Path, training: int = 60, testing: int = 20) -> None:
    """Write the four files of a small data set of noise, labels 0 to 9 in turn."""
    count = training + testing
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    idx.write_dataset(folder, images, (np.arange(count) % 10).astype(np.uint8), testing)


def kaggle_csv(path: Path, images: np.ndarray, labels: np.ndarray | None = None) -> None:
    """Write Kaggle's train.csv, or without labels its test.csv, of images (n, 28, 28)."""
    columns = [f"pixel{number}" for number in range(784)]
    rows = images.reshape(-1, 784)
    if labels is not None:
        columns, rows = ["label", *columns], np.column_stack([labels, rows])
    names = [str(level) for level in range(256)]
    lines = [",".join(columns), *(",".join([names[level] for level in row]) for row in rows)]
    path.write_text("\n".join(lines) + "\n", newline="")


def send(
    request: BaseHTTPRequestHandler, body: bytes, headers: Mapping[str, object], status: int = 200
) -> None:
    """Answer with a body; nobody is told its length but by the headers."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


def in_turn(*answers: Answer) -> Answer:
    """Give each request an answer of its own, and none to any more."""
    rest = iter(answers)
    return lambda request: next(rest)(request)


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
