import shutil
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from digits.data import idx
from tests.conftest import idx_files
from tests.stages.conftest import Stage
from tests.workspace import contents, start, wait_for


def assert_lossless(folder: Path) -> None:
    """Compare every PNG, as zipfile and Pillow read it, with the raw image of its id."""
    first_id = 0
    for name, files in idx.FILES.items():
        images, labels = idx.read_pair(*(folder / "data/raw" / file for file in files))
        with zipfile.ZipFile(folder / f"data/png/{name}.zip") as file:
            entries = file.namelist()
            assert entries == [f"{name}/{k}/{i:05d}.png" for i, k in enumerate(labels, first_id)]
            for entry, image in zip(entries, images, strict=True):
                assert np.array_equal(np.asarray(Image.open(file.open(entry))), image)
        first_id += len(images)


def test_every_image_becomes_a_png_of_its_pixels(tmp_path: Path, stage: Stage) -> None:
    idx_files(tmp_path / "data/raw", training=60, testing=20)
    output, errors = stage("convert")
    assert output == "data/png/training.zip: 60 images\ndata/png/testing.zip: 20 images\n"
    assert "training.zip: 100%" in errors
    assert "testing.zip: 100%" in errors
    assert_lossless(tmp_path)


def test_killed_run_leaves_no_archive_and_the_next_is_whole(tmp_path: Path, stage: Stage) -> None:
    idx_files(tmp_path / "data/raw", training=4_000)
    png = tmp_path / "data/png"
    stage("convert")
    undisturbed = contents(png)
    shutil.rmtree(png)
    process = start(tmp_path, "stages.convert")
    wait_for(lambda: list(png.glob("*")), process)
    process.kill()
    process.communicate()
    assert not (png / "training.zip").exists()
    stage("convert")
    assert contents(png) == undisturbed
