import gzip
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
from sklearn.datasets import load_digits

from digits.data import idx
from digits.errors import PipelineError
from stages import download
from tests.conftest import kaggle_csv
from tests.stages.running import ROOT, start

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


def start_and_wait_for_bytes() -> subprocess.Popen[str]:
    run = start(Path(), "download")
    while not (RAW.exists() and any(path.stat().st_size for path in RAW.iterdir())):
        assert run.poll() is None
        time.sleep(0.01)
    return run


def test_mnist_mirror_is_asked_first(
    mirror: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = serve(serving(mirror)) + "/"
    monkeypatch.setenv("MNIST_MIRROR", url)
    write_params(in_order(mirror), [serve(lambda request: request.send_error(404))])
    download.main()
    assert contents(RAW) == contents(mirror)
    size = sum(len(content) for content in contents(mirror).values())
    told = capsys.readouterr()
    assert told.out == f"data/raw: noise from {url}, 4 files, {size:,} bytes\n"
    assert told.err == ""


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://{}/"])
def test_mnist_mirror_may_be_a_folder(tmp_path: Path, form: str) -> None:
    assert download.own_mirrors(form.format(tmp_path / "my digits")) == [f"{tmp_path}/my digits"]


def test_mnist_mirror_may_be_a_relative_folder() -> None:
    assert download.own_mirrors("../mnist") == [f"{Path.cwd()}/../mnist"]


@pytest.mark.parametrize("value", [None, ""])
def test_without_mnist_mirror_there_is_none_of_ones_own(value: str | None) -> None:
    assert download.own_mirrors(value) == []


def test_a_failing_mirror_is_named_once_and_the_next_gives_all_four(
    mirror: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", "nowhere")
    fine = serve(serving(mirror))
    write_params(in_order(mirror), [fine])
    download.main()
    assert contents(RAW) == contents(mirror)
    told = capsys.readouterr()
    missing = Path("nowhere/train-images-idx3-ubyte.gz").absolute()
    assert told.err == f"{missing}: No such file or directory\n"
    assert told.out.startswith(f"data/raw: noise from {fine}, 4 files, ")


def test_files_may_come_from_several_mirrors_under_other_names(
    mirror: Path,
    tmp_path: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
    download.main()
    assert contents(RAW) == wanted
    told = capsys.readouterr()
    own = Path("../mirror").absolute()
    assert told.err == f"{own}/3.gz: No such file or directory\n"
    assert told.out.startswith(f"data/raw: noise from {own}, {other}, 4 files, ")


def test_when_no_mirror_works_the_message_says_what_to_do(mirror: Path, serve: Serve) -> None:
    url = serve(lambda request: request.send_error(503))
    write_params(in_order(mirror), [url, f"{url}/again/"])
    with start(Path(), "download") as run:
        out, err = run.communicate()
    assert (run.returncode, out) == (1, "")
    name = "train-images-idx3-ubyte.gz"
    reasons = [
        f"{url}/{name}: answered 503 Service Unavailable (attempts: 1)",
        f"{url}/again/{name}: answered 503 Service Unavailable (attempts: 1)",
    ]
    assert err.splitlines() == [
        *reasons,
        f"download: no mirror gives {name}: {'; '.join(reasons)}; set MNIST_MIRROR to the URL or "
        "folder of one that does, or try `make quickstart`, which needs no network",
    ]
    assert contents(RAW) == {}


def test_killed_in_the_middle_and_run_again_gives_the_right_files(
    mirror: Path, serve: Serve
) -> None:
    write_params(in_order(mirror), [serve(serving(mirror, share=0.5))])
    with start_and_wait_for_bytes() as run:
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert len(contents(RAW)) == 1  # what was left behind

    write_params(in_order(mirror), [serve(serving(mirror))])
    with start(Path(), "download") as run:
        run.communicate()
    assert contents(RAW) == contents(mirror)


def test_ctrl_c_ends_in_one_line_and_leaves_nothing(mirror: Path, serve: Serve) -> None:
    write_params(in_order(mirror), [serve(serving(mirror, share=0.5))])
    with start_and_wait_for_bytes() as run:
        run.send_signal(signal.SIGINT)
        _, err = run.communicate()
    assert (run.returncode, err) == (
        130,
        "download: interrupted; the same command goes on from here\n",
    )
    assert contents(RAW) == {}


def test_optdigits_need_no_mirror(mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_params(in_order(mirror), ["http://127.0.0.1:1"], dataset="optdigits")
    download.main()
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out == (
        "data/raw: optdigits from scikit-learn's load_digits, 4 files, 1,410,885 bytes\n"
    )
    assert sorted(contents(RAW)) == sorted(contents(mirror))
    paths = in_order(RAW)
    images, labels = idx.read_pair(*paths[:2])
    others, other_labels = idx.read_pair(*paths[2:])
    assert (len(images), len(others)) == (1500, 297)
    assert [*labels, *other_labels] == load_digits().target.tolist()
    values = hashlib.sha256(b"".join(gzip.decompress(path.read_bytes()) for path in paths))
    assert values.hexdigest() == "a1997471d45cb360ec5f9d0f968e6731c367e4c31cc4adb684c4f720b87890dc"


def write_kaggle_params(csv: str, sha256: str | None) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["dataset"] = "kaggle"
    content["datasets"]["kaggle"] = {"csv": csv, "sha256": sha256}
    Path("params.yaml").write_text(yaml.safe_dump(content))


def optdigits() -> tuple[np.ndarray, np.ndarray]:
    bunch = load_digits()
    return np.stack([download.enlarge(image) for image in bunch.images]), bunch.target


def refused() -> str:
    """Run the stage, which must end in one line and leave nothing; return that."""
    with start(Path(), "download") as run:
        out, err = run.communicate()
    assert (run.returncode, out) == (1, "")
    assert not RAW.exists()
    return err.removeprefix("download: ").removesuffix("\n")


def test_kaggles_training_file_is_a_data_set(mirror: Path, tmp_path: Path) -> None:
    images, labels = optdigits()
    kaggle_csv(tmp_path / "train.csv", images, labels)
    sha256 = hashlib.sha256((tmp_path / "train.csv").read_bytes()).hexdigest()
    write_kaggle_params("../train.csv", None)
    assert refused() == (
        f"../train.csv has the SHA-256 {sha256}, datasets.kaggle.sha256 is null; if it is the file "
        "you mean, set that to this, by which DVC will notice any other"
    )
    write_kaggle_params("../train.csv", sha256)
    with start(Path(), "download") as run:
        out, err = run.communicate()
    assert (run.returncode, err) == (0, "")
    assert out.startswith("data/raw: kaggle from ../train.csv, 4 files, 1,410,")
    assert sorted(contents(RAW)) == sorted(contents(mirror))
    paths = in_order(RAW)
    training, testing = idx.read_pair(*paths[:2]), idx.read_pair(*paths[2:])
    assert len(testing[0]) == 257  # a seventh of 1,797
    np.testing.assert_array_equal(np.concatenate([training[0], testing[0]]), images)
    np.testing.assert_array_equal(np.concatenate([training[1], testing[1]]), labels)


def test_another_file_in_the_place_of_kaggles_is_refused(mirror: Path, tmp_path: Path) -> None:
    write_kaggle_params("kaggle/train.csv", 64 * "0")
    assert refused().startswith("there is no file kaggle/train.csv; log in to Kaggle, download it ")
    Path("kaggle").mkdir()
    images, labels = optdigits()
    kaggle_csv(Path("kaggle/train.csv"), images[:20])
    assert refused() == (
        "kaggle/train.csv: line 1: expected the 785 columns label to pixel783, "
        "found 784, 'pixel0' to 'pixel783'"
    )
    kaggle_csv(Path("kaggle/train.csv"), images[:20], labels[:20])
    assert f"datasets.kaggle.sha256 is {64 * '0'}; if it is the file you mean" in refused()


@pytest.mark.mnist
def test_forty_two_thousand_genuine_digits_come_from_kaggles_file(
    mnist: Path, mirror: Path
) -> None:
    images, labels = (array[:42000] for array in idx.read_pair(*in_order(mnist)[:2]))
    kaggle_csv(Path("train.csv"), images, labels)
    write_kaggle_params("train.csv", hashlib.sha256(Path("train.csv").read_bytes()).hexdigest())
    download.main()
    training, testing = idx.read_pair(*in_order(RAW)[:2]), idx.read_pair(*in_order(RAW)[2:])
    assert (len(training[0]), len(testing[0])) == (36000, 6000)
    np.testing.assert_array_equal(np.concatenate([training[0], testing[0]]), images)
    np.testing.assert_array_equal(np.concatenate([training[1], testing[1]]), labels)


def test_enlarged_digits_are_like_those_of_mnist() -> None:
    small = load_digits().images[0]
    image = download.enlarge(small)
    assert image.dtype == np.uint8
    assert image.shape == (28, 28)
    assert image.max() > 240
    middle = image[4:24, 4:24]
    assert image.sum() == middle.sum()
    quarters = middle.reshape(4, 5, 4, 5).mean((1, 3)), small.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.allclose(quarters[0] / 255, quarters[1] / 16, atol=0.1)


def test_a_mirror_that_is_no_address_is_refused() -> None:
    with pytest.raises(PipelineError, match="MNIST_MIRROR is neither URL nor folder"):
        download.own_mirrors("http://[abc")


@pytest.mark.mnist
def test_genuine_files_come_from_mnist_mirror(mnist: Path) -> None:
    images, labels = idx.read_pair(*in_order(mnist)[2:])
    assert images.shape == (10000, 28, 28)
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
