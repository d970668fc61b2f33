import hashlib
from pathlib import Path

import numpy as np
import pytest

from digits.data import kaggle
from digits.errors import PipelineError
from tests.conftest import kaggle_csv

IMAGES = np.random.default_rng(2).integers(0, 256, (2500, 28, 28), dtype=np.uint8)
LABELS = (np.arange(len(IMAGES)) % 10).astype(np.uint8)
HEADER = ",".join(f"pixel{number}" for number in range(784))
BLACK = ",".join(["0"] * 784)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.csv"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_training_file_is_read_in_order_and_known_by_sha256(path: Path, newline: str) -> None:
    kaggle_csv(path, IMAGES, LABELS)
    path.write_bytes(path.read_bytes().replace(b"\n", newline.encode()))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    images, labels = kaggle.read_training(path, "kaggle", sha256)
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    with pytest.raises(PipelineError) as caught:
        kaggle.read_training(path, "kaggle", None)
    assert str(caught.value) == (
        f"{path} has the SHA-256 {sha256}, datasets.kaggle.sha256 is null; if it is the file you "
        "mean, set that to this, by which DVC will notice any other"
    )


@pytest.mark.parametrize(("before", "end"), [("", ""), ("\ufeff", "\n\n")])
def test_byte_order_mark_and_last_newline_do_not_matter(path: Path, before: str, end: str) -> None:
    path.write_text(f"{before}{HEADER}\n{BLACK[:-1]}7{end}", encoding="utf-8")
    (rows,) = kaggle.read(path, kaggle.TEST_COLUMNS)
    assert rows.shape == (1, 784)
    assert rows[0, -1] == 7


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "No columns to parse from file"),
        (f"label,{HEADER}\n{BLACK},0\n", "column 1: expected pixel0, found 'label'"),
        (f"{HEADER},more\n{BLACK},0\n", "column 785: expected none, found 'more'"),
        (f"{HEADER[:-9]}\n{BLACK[:-2]}\n", "column 784: expected pixel783, found None"),
        (f"{HEADER}\n", "expected rows of images, found none"),
        (f"{HEADER}\n{BLACK},0\n", "expected 784 values a row, found more"),
        (f"{HEADER}\n{BLACK}\n{BLACK},0\n", "Expected 784 fields in line 3, saw 785"),
        (f"{HEADER}\n{BLACK}\n0,0", "image 2, pixel2: .*, found 'nan'"),
        (f"{HEADER}\n{BLACK[:-1]}256\n", "image 1, pixel783: .* from 0 to 255, found '256'"),
        (f"{HEADER}\n-1{BLACK[1:]}\n", "image 1, pixel0: .*, found '-1'"),
        (f"{HEADER}\n0.5{BLACK[1:]}\n", "image 1, pixel0: .*, found '0.5'"),
        (f"{HEADER}\n{BLACK[2:]},é\n", "image 1, pixel783: .*, found 'é'"),
        (f'{HEADER}\n"{BLACK}\n{BLACK}"\n', "image 1, pixel0: .*, found '\"0'"),
        ((f"{HEADER}\n" + f"{BLACK}\n" * 1500) + "x", "image 1501, pixel0: .*, found 'x'"),
    ],
)
def test_another_file_is_refused(path: Path, content: str, complaint: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PipelineError, match=rf"^{path}: .*{complaint}.*\Z"):  # in one line
        list(kaggle.read(path, kaggle.TEST_COLUMNS))


def test_a_label_above_nine_is_refused(path: Path) -> None:
    path.write_text(f"label,{HEADER}\n1,{BLACK}\n10,{BLACK}\n")
    with pytest.raises(PipelineError, match=r"image 2, label: .* from 0 to 9, found '10'"):
        list(kaggle.read(path, kaggle.TRAIN_COLUMNS))


def test_too_large_a_file_is_refused_unread(path: Path) -> None:
    path.write_text(f"{HEADER}\n{BLACK}\n")
    with path.open("r+b") as file:
        file.truncate(kaggle.MOST_BYTES + 1)  # a hole, which takes no space
    with pytest.raises(PipelineError, match="at most 1,073,741,824 bytes, found 1,073,741,825"):
        next(kaggle.read(path, kaggle.TEST_COLUMNS))


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no file .*/train\.csv; log in to Kaggle, download"):
        next(kaggle.read(tmp_path / "train.csv", kaggle.TRAIN_COLUMNS))
