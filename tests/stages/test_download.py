import hashlib
import signal
import subprocess
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler as Request
from pathlib import Path

import numpy as np
import pytest
import yaml

from digits.data import idx, optdigits
from tests.conftest import kaggle_csv
from tests.stages.running import ROOT, run, start

RAW = Path("data/raw")
Serve = Callable[[Callable[[Request], None]], str]


@pytest.fixture
def mirror(
    tmp_path: Path, idx_files: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Go to an empty folder; return another one, with four files."""
    idx_files(tmp_path / "mirror")
    (tmp_path / "workspace").mkdir()
    monkeypatch.chdir(tmp_path / "workspace")
    monkeypatch.delenv("MNIST_MIRROR", raising=False)
    return tmp_path / "mirror"


def write_params(files: list[Path], mirrors: list[str], dataset: str = "noise") -> None:
    """Write a params.yaml that asks ``mirrors`` for four files."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    kinds = content["datasets"]["mnist"]["files"]
    sources = {
        kind: {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for kind, path in zip(kinds, files, strict=True)
    }
    content["dataset"] = dataset
    content["datasets"]["noise"] = {"mirrors": mirrors, "files": sources}
    content["download"] = {"attempts": 1, "timeout": 5}
    Path("params.yaml").write_text(yaml.safe_dump(content))


def in_order(folder: Path) -> list[Path]:
    """Return training images, training labels, testing images, testing labels."""
    return [*sorted(folder.glob("train-*")), *sorted(folder.glob("t10k-*"))]


def pairs(folder: Path) -> list[tuple[idx.Bytes, idx.Bytes]]:
    """Return images and labels, those for training first."""
    return [idx.read_pair(*(folder / name for name in names)) for names in idx.FILES.values()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def serving(folder: Path, share: float = 1) -> Callable[[Request], None]:
    """Answer with files of the folder, or wait for ever when a share of one is sent."""

    def answer(request: Request) -> None:
        body = (folder / Path(request.path).name).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: int(share * len(body))])
        if share < 1:
            request.connection.recv(1)  # ends when the client hangs up

    return answer


def download() -> tuple[str, str]:
    """Run the stage, which must end well; return what it prints."""
    done = run(Path(), "download")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def start_and_wait_for_bytes() -> subprocess.Popen[str]:
    stage = start(Path(), "download")
    while not (RAW.exists() and any(path.stat().st_size for path in RAW.iterdir())):
        assert stage.poll() is None
        time.sleep(0.01)
    return stage


def test_mnist_mirror_is_asked_first(
    mirror: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(serving(mirror)) + "/"
    monkeypatch.setenv("MNIST_MIRROR", url)
    write_params(in_order(mirror), [serve(lambda request: request.send_error(404))])
    size = sum(len(content) for content in contents(mirror).values())
    assert download() == (f"data/raw: noise from {url}, 4 files, {size:,} bytes\n", "")
    assert contents(RAW) == contents(mirror)


def test_a_failing_mirror_is_named_once_and_the_next_gives_all_four(
    mirror: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "nowhere")
    fine = serve(serving(mirror))
    write_params(in_order(mirror), [fine])
    out, err = download()
    assert contents(RAW) == contents(mirror)
    missing = Path("nowhere/train-images-idx3-ubyte.gz").absolute()
    assert err == f"{missing}: No such file or directory\n"
    assert out.startswith(f"data/raw: noise from {fine}, 4 files, ")


def test_files_may_come_from_several_mirrors_under_other_names(
    mirror: Path, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = contents(mirror)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("MNIST_MIRROR", "../mirror")
    files = [
        path.rename((mirror if number < 3 else tmp_path / "other") / f"{number}.gz")
        for number, path in enumerate(in_order(mirror))
    ]
    other = serve(serving(tmp_path / "other"))
    write_params(files, [other])
    out, err = download()
    assert contents(RAW) == wanted
    own = Path("../mirror").absolute()
    assert err == f"{own}/3.gz: No such file or directory\n"
    assert out.startswith(f"data/raw: noise from {own}, {other}, 4 files, ")


def test_when_no_mirror_works_the_message_says_what_to_do(mirror: Path, serve: Serve) -> None:
    url = serve(lambda request: request.send_error(503))
    write_params(in_order(mirror), [url, f"{url}/again/"])
    failed = run(Path(), "download")
    assert (failed.returncode, failed.stdout) == (1, "")
    name = "train-images-idx3-ubyte.gz"
    reasons = [
        f"{url}/{name}: answered 503 Service Unavailable (attempts: 1)",
        f"{url}/again/{name}: answered 503 Service Unavailable (attempts: 1)",
    ]
    assert failed.stderr.splitlines() == [
        *reasons,
        f"download: no mirror gives {name}: {'; '.join(reasons)}; set MNIST_MIRROR to the URL or "
        "folder of one that does, or try `make quickstart`, which needs no network",
    ]
    assert contents(RAW) == {}


def test_killed_in_the_middle_and_run_again_gives_the_right_files(
    mirror: Path, serve: Serve
) -> None:
    write_params(in_order(mirror), [serve(serving(mirror, share=0.5))])
    with start_and_wait_for_bytes() as stage:
        stage.kill()
    assert stage.returncode == -signal.SIGKILL
    assert len(contents(RAW)) == 1  # what was left behind

    write_params(in_order(mirror), [serve(serving(mirror))])
    download()
    assert contents(RAW) == contents(mirror)


def test_ctrl_c_ends_in_one_line_and_leaves_nothing(mirror: Path, serve: Serve) -> None:
    write_params(in_order(mirror), [serve(serving(mirror, share=0.5))])
    with start_and_wait_for_bytes() as stage:
        stage.send_signal(signal.SIGINT)
        _, err = stage.communicate()
    assert (stage.returncode, err) == (
        130,
        "download: interrupted; the same command goes on from here\n",
    )
    assert contents(RAW) == {}


def test_optdigits_need_no_mirror(mirror: Path) -> None:
    write_params(in_order(mirror), ["http://127.0.0.1:1"], dataset="optdigits")
    told = "data/raw: optdigits from scikit-learn's load_digits, 4 files, 1,410,885 bytes\n"
    assert download() == (told, "")
    training, testing = pairs(RAW)
    assert (len(training[0]), len(testing[0])) == (1500, 297)
    digits = optdigits.read()
    for found, expected in zip(
        map(np.concatenate, zip(training, testing, strict=True)), digits, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def write_kaggle_params(csv: str, sha256: str | None) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["dataset"] = "kaggle"
    content["datasets"]["kaggle"] = {"csv": csv, "sha256": sha256}
    Path("params.yaml").write_text(yaml.safe_dump(content))


def test_kaggles_training_file_is_a_data_set(mirror: Path, tmp_path: Path) -> None:
    images, labels = optdigits.read()
    kaggle_csv(tmp_path / "train.csv", images, labels)
    sha256 = hashlib.sha256((tmp_path / "train.csv").read_bytes()).hexdigest()
    write_kaggle_params("../train.csv", None)
    done = run(Path(), "download")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"download: ../train.csv has the SHA-256 {sha256}, datasets.kag")
    assert not RAW.exists()
    write_kaggle_params("../train.csv", sha256)
    out, err = download()
    assert err == ""
    assert out.startswith("data/raw: kaggle from ../train.csv, 4 files, 1,410,")
    training, testing = pairs(RAW)
    assert len(testing[0]) == 257  # a seventh of 1,797
    np.testing.assert_array_equal(np.concatenate([training[0], testing[0]]), images)
    np.testing.assert_array_equal(np.concatenate([training[1], testing[1]]), labels)


@pytest.mark.mnist
def test_forty_two_thousand_genuine_digits_come_from_kaggles_file(
    mnist: Path, mirror: Path
) -> None:
    images, labels = (array[:42000] for array in pairs(mnist)[0])
    kaggle_csv(Path("train.csv"), images, labels)
    write_kaggle_params("train.csv", hashlib.sha256(Path("train.csv").read_bytes()).hexdigest())
    download()
    training, testing = pairs(RAW)
    assert (len(training[0]), len(testing[0])) == (36000, 6000)
    np.testing.assert_array_equal(np.concatenate([training[0], testing[0]]), images)
    np.testing.assert_array_equal(np.concatenate([training[1], testing[1]]), labels)


@pytest.mark.mnist
def test_genuine_files_come_from_mnist_mirror(mnist: Path) -> None:
    images, labels = pairs(mnist)[1]
    assert images.shape == (10000, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
