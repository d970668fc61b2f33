import resource
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.data import idx
from digits.data.png_archive import Archive
from tests.stages.running import start

IdxMaker = Callable[..., None]
PAIRS = (("training", "train"), ("testing", "t10k"))


def convert(folder: Path) -> dict[str, bytes]:
    """Run the stage and return what it wrote."""
    stage = start(folder, "convert")
    _, errors = stage.communicate()
    assert stage.returncode == 0, errors
    return {path.name: path.read_bytes() for path in (folder / "data/png").iterdir()}


def assert_lossless(folder: Path) -> None:
    """Compare every PNG, as zipfile and Pillow read it, with the raw image of its id."""
    first_id = 0
    for name, prefix in PAIRS:
        raw = folder / "data/raw"
        images, labels = idx.read_pair(
            raw / f"{prefix}-images-idx3-ubyte.gz", raw / f"{prefix}-labels-idx1-ubyte.gz"
        )
        with zipfile.ZipFile(folder / f"data/png/{name}.zip") as file:
            entries = file.namelist()
            assert entries == [f"{name}/{k}/{i:05d}.png" for i, k in enumerate(labels, first_id)]
            for entry, image in zip(entries, images, strict=True):
                assert np.array_equal(np.asarray(Image.open(file.open(entry))), image)
        first_id += len(images)


def test_every_image_becomes_a_png_of_its_pixels(tmp_path: Path, idx_files: IdxMaker) -> None:
    idx_files(tmp_path / "data/raw", training=60, testing=20)
    assert set(convert(tmp_path)) == {"training.zip", "testing.zip"}
    assert_lossless(tmp_path)


def test_report_and_progress(tmp_path: Path, idx_files: IdxMaker) -> None:
    idx_files(tmp_path / "data/raw", training=60, testing=20)
    output, errors = start(tmp_path, "convert").communicate()
    assert output == "data/png/training.zip: 60 images\ndata/png/testing.zip: 20 images\n"
    assert "training.zip: 100%" in errors
    assert "testing.zip: 100%" in errors


def test_missing_raw_file_is_one_line(tmp_path: Path, idx_files: IdxMaker) -> None:
    idx_files(tmp_path / "data/raw")
    (tmp_path / "data/raw/t10k-labels-idx1-ubyte.gz").unlink()
    stage = start(tmp_path, "convert")
    _, errors = stage.communicate()
    assert stage.returncode == 1
    assert "convert: data/raw/t10k-labels-idx1-ubyte.gz is missing" in errors
    assert "Traceback" not in errors


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, idx_files: IdxMaker) -> None:
    idx_files(tmp_path / "data/raw", training=200)
    limits = (100_000, 100_000)  # bytes in a file
    stage = start(
        tmp_path,
        "convert",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    _, errors = stage.communicate()
    assert stage.returncode == 1
    assert errors.splitlines()[-1].startswith("convert: File too large")
    assert "Traceback" not in errors
    assert list((tmp_path / "data/png").iterdir()) == []


def test_killed_run_leaves_no_archive_and_the_next_is_whole(
    tmp_path: Path, idx_files: IdxMaker
) -> None:
    idx_files(tmp_path / "data/raw", training=4_000)
    undisturbed = convert(tmp_path)
    png = tmp_path / "data/png"
    for path in png.iterdir():
        path.unlink()

    stage = start(tmp_path, "convert")
    while not any(png.iterdir()):
        assert stage.poll() is None
        time.sleep(0.001)
    stage.send_signal(signal.SIGKILL)
    stage.communicate()
    assert not (png / "training.zip").exists()

    assert convert(tmp_path) == undisturbed


@pytest.mark.mnist
def test_all_of_mnist_is_lossless_and_repeats(tmp_path: Path, mnist: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(mnist)
    first = convert(tmp_path)
    assert_lossless(tmp_path)
    with Archive(tmp_path / "data/png/training.zip", tmp_path / "data/png/testing.zip") as archive:
        assert np.bincount(archive.sources).tolist() == [60_000, 10_000]
    assert convert(tmp_path) == first
