import hashlib
from http.server import BaseHTTPRequestHandler as Request
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from digits.config import SourceFiles
from digits.data import idx, optdigits
from tests.conftest import IdxMaker, Serve, kaggle_csv
from tests.stages.conftest import Stage
from tests.workspace import write_params

NAMES = list(chain(*idx.FILES.values()))
RAW = Path("data/raw")  # a stage works in the folder of the test


def check_images(images: np.ndarray, labels: np.ndarray, testing: int) -> None:
    """Check that data/raw has these images, so many of them in the files for testing."""
    pairs = [idx.read_pair(*(RAW / name for name in names)) for names in idx.FILES.values()]
    assert len(pairs[1][1]) == testing
    for found, expected in zip(zip(*pairs, strict=True), (images, labels), strict=True):
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_ones_own_mirror_comes_first_and_the_last_one_that_gave_a_file_after_it(
    tmp_path: Path,
    idx_files: IdxMaker,
    serve: Serve,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of four files, under other names, the first three are at another mirror."""
    mirror, elsewhere = tmp_path / "mirror", tmp_path / "elsewhere"
    monkeypatch.setenv("MNIST_MIRROR", "mirror")
    idx_files(mirror)
    wanted = [(mirror / name).read_bytes() for name in NAMES]
    elsewhere.mkdir()
    sources = {}
    for number, (kind, content) in enumerate(zip(SourceFiles.model_fields, wanted, strict=True)):
        folder = elsewhere if number < 3 else mirror
        (folder / f"{number}.gz").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        sources[kind] = {"name": f"{number}.gz", "bytes": len(content), "sha256": sha256}

    def answer(request: Request) -> None:
        path = elsewhere / Path(request.path).name
        if not path.exists():
            return request.send_error(404)
        request.send_response(200)
        request.end_headers()
        request.wfile.write(path.read_bytes())

    other = serve(answer)
    noise = {"mirrors": [other], "files": sources}
    patience = {"attempts": 1, "timeout": 5}
    write_params(tmp_path, {"dataset": "noise", "datasets.noise": noise, "download": patience})
    (tmp_path / RAW).mkdir(parents=True)
    (tmp_path / RAW / "left by a killed run").write_bytes(b"half")
    output, errors = stage("download")
    assert {path.name for path in RAW.iterdir()} == set(NAMES)
    assert [(RAW / name).read_bytes() for name in NAMES] == wanted
    assert errors.splitlines() == [
        f"{mirror}/0.gz: No such file or directory",  # and no word of it for 1 and 2
        f"{other}/3.gz: answered 404 Not Found",
    ]
    size = sum(map(len, wanted))
    assert output == f"data/raw: noise from {other}, {mirror}, 4 files, {size:,} bytes\n"


def test_optdigits_need_no_mirror(tmp_path: Path, stage: Stage) -> None:
    write_params(tmp_path, {"dataset": "optdigits"})
    told = "data/raw: optdigits from scikit-learn's load_digits, 4 files, 1,410,885 bytes\n"
    assert stage("download") == (told, "")
    check_images(*optdigits.read(), testing=297)


def test_kaggles_training_file_is_a_data_set(tmp_path: Path, stage: Stage) -> None:
    images, labels = optdigits.read()
    kaggle_csv(tmp_path / "train.csv", images, labels)
    sha256 = hashlib.sha256((tmp_path / "train.csv").read_bytes()).hexdigest()
    source = {"csv": "train.csv", "sha256": sha256}
    write_params(tmp_path, {"dataset": "kaggle", "datasets.kaggle": source})
    output, errors = stage("download")
    assert errors == ""
    assert output.startswith("data/raw: kaggle from train.csv, 4 files, 1,410,")
    check_images(images, labels, testing=257)  # a seventh of 1,797
