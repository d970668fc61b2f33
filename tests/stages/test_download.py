import hashlib
import signal
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler as Request
from pathlib import Path

import numpy as np
import pytest

from digits.config import SourceFiles
from digits.data import idx, optdigits
from tests.conftest import Serve, idx_files, kaggle_csv, send
from tests.stages.conftest import Stage
from tests.workspace import contents, start, wait_for, write_params

RAW = Path("data/raw")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder; return one in it, with four files."""
    idx_files(tmp_path / "mirror")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_MIRROR", raising=False)
    return tmp_path / "mirror"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ask_for(files: list[Path], mirror: str) -> None:
    """Write a params.yaml that asks ``mirror`` for four files."""
    sources = {
        kind: {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256(path)}
        for kind, path in zip(SourceFiles.model_fields, files, strict=True)
    }
    noise, patience = {"mirrors": [mirror], "files": sources}, {"attempts": 1, "timeout": 5}
    write_params(Path(), {"dataset": "noise", "datasets.noise": noise, "download": patience})


def in_order(folder: Path) -> list[Path]:
    """Return training images, training labels, testing images, testing labels."""
    return [*sorted(folder.glob("train-*")), *sorted(folder.glob("t10k-*"))]


def check_images(images: np.ndarray, labels: np.ndarray, testing: int) -> None:
    """Check that data/raw has these images, so many of them in the files for testing."""
    pairs = [idx.read_pair(*(RAW / name for name in names)) for names in idx.FILES.values()]
    assert len(pairs[1][1]) == testing
    for found, expected in zip(zip(*pairs, strict=True), (images, labels), strict=True):
        np.testing.assert_array_equal(np.concatenate(found), expected)


def serving(folder: Path, share: float = 1) -> Callable[[Request], None]:
    """Answer with files of the folder, or wait for ever when a share of one is sent."""

    def answer(request: Request) -> None:
        path = folder / Path(request.path).name
        if not path.exists():
            return request.send_error(404)
        body = path.read_bytes()
        send(request, body[: int(share * len(body))], {"Content-Length": len(body)})
        if share < 1:
            request.connection.recv(1)  # ends when the client hangs up

    return answer


def start_and_wait_for_bytes() -> subprocess.Popen[str]:
    process = start(Path(), "stages.download")
    wait_for(lambda: any(path.stat().st_size for path in RAW.glob("*")), process)
    return process


def test_ones_own_mirror_comes_first_and_the_last_one_that_gave_a_file_after_it(
    mirror: Path, serve: Serve, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four files, under other names, the first three are at another mirror."""
    monkeypatch.setenv("MNIST_MIRROR", "mirror")
    wanted = contents(mirror)
    (mirror / "other").mkdir()
    files = [
        path.rename(mirror / ("other" if number < 3 else "") / f"{number}.gz")
        for number, path in enumerate(in_order(mirror))
    ]
    other = serve(serving(mirror / "other"))
    ask_for(files, other)
    output, errors = stage("download")
    assert contents(RAW) == wanted
    assert errors.splitlines() == [
        f"{mirror}/0.gz: No such file or directory",  # and no word of it for 1 and 2
        f"{other}/3.gz: answered 404 Not Found",
    ]
    size = sum(map(len, wanted.values()))
    assert output == f"data/raw: noise from {other}, {mirror}, 4 files, {size:,} bytes\n"


def test_a_stopped_download_run_again_gives_the_right_files(
    mirror: Path, serve: Serve, stage: Stage
) -> None:
    ask_for(in_order(mirror), serve(serving(mirror, share=0.5)))
    with start_and_wait_for_bytes() as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "download: interrupted; the same command goes on from here\n"
    assert contents(RAW) == {}
    with start_and_wait_for_bytes() as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(contents(RAW)) == 1  # what was left behind

    ask_for(in_order(mirror), serve(serving(mirror)))
    stage("download")
    assert contents(RAW) == contents(mirror)


def test_optdigits_need_no_mirror(mirror: Path, stage: Stage) -> None:
    write_params(Path(), {"dataset": "optdigits"})
    told = "data/raw: optdigits from scikit-learn's load_digits, 4 files, 1,410,885 bytes\n"
    assert stage("download") == (told, "")
    check_images(*optdigits.read(), testing=297)


def test_kaggles_training_file_is_a_data_set(mirror: Path, stage: Stage) -> None:
    images, labels = optdigits.read()
    kaggle_csv(Path("train.csv"), images, labels)
    source = {"csv": "train.csv", "sha256": sha256(Path("train.csv"))}
    write_params(Path(), {"dataset": "kaggle", "datasets.kaggle": source})
    output, errors = stage("download")
    assert errors == ""
    assert output.startswith("data/raw: kaggle from train.csv, 4 files, 1,410,")
    check_images(images, labels, testing=257)  # a seventh of 1,797
