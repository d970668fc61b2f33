import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from digits.data import idx
from digits.errors import PipelineError


def idx_bytes(array: np.ndarray) -> bytes:
    """Return the IDX file of an unsigned byte array, made without the code under test."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


IMAGES = idx_bytes(np.arange(2 * 28 * 28).astype(np.uint8).reshape(2, 28, 28))
LABELS = idx_bytes(np.array([7, 9], np.uint8))
THREE = idx_bytes(np.zeros(3, np.uint8))
ZIPPED = gzip.compress(LABELS)
COUNT = "dimensions: expected 1 to 1073741824 values, found"
SHAPE = r"images: shape: expected \(n, 28, 28\), found"


def saved(folder: Path, content: bytes, name: str = "values") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content))
    return path


def test_pair_is_read_as_images_and_labels(tmp_path: Path) -> None:
    images, labels = idx.read_pair(saved(tmp_path, IMAGES, "images"), saved(tmp_path, LABELS))
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (2, 28, 28)
    assert images.tobytes() == IMAGES[16:]
    assert labels.tolist() == [7, 9]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "magic number: expected 00000801 or 00000803, found nothing"),
        (b"\0\0\x08", "magic number: expected 00000801 or 00000803, found 000008"),
        (b"\0\0\x0c" + LABELS[3:], "magic number: expected 00000801 or 00000803, found 00000c01"),
        (LABELS[:6], "dimensions: expected 4 bytes, found 2"),
        (struct.pack(">HBBI", 0, 8, 1, 0), f"{COUNT} 0"),
        (struct.pack(">HBBIII", 0, 8, 3, *[2**32 - 1] * 3), f"{COUNT} {(2**32 - 1) ** 3}"),
        (LABELS[:-1], "values: expected 2 bytes, found 1"),
        (LABELS + b"a", "values: expected 2 bytes, found more"),
    ],
)
def test_damage_is_told_by_field(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(PipelineError, match=rf"values: {complaint}$"):
        idx.read(saved(tmp_path, content))


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(LABELS + bytes(2**27), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(PipelineError, match=r"bomb\.gz: values: expected 2 bytes, found more$"):
        idx.read(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        LABELS,
        ZIPPED[:-9],
        ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 1]) + ZIPPED[-7:],
        ZIPPED[:10] + b"\xff" * 10 + ZIPPED[20:],
        ZIPPED + b"rubbish",
    ],
    ids=["none", "cut", "checksum", "garbled", "followed by rubbish"],
)
def test_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "values.gz"
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=r"gz: compression: expected intact gzip, found "):
        idx.read(path)


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (LABELS, LABELS, rf"{SHAPE} \(2,\)"),
        (idx_bytes(np.zeros((2, 14, 56), np.uint8)), LABELS, rf"{SHAPE} \(2, 14, 56\)"),
        (IMAGES, IMAGES, r"labels: shape: expected \(2,\), a label .* found \(2, 28, 28\)"),
        (IMAGES, THREE, r"labels: shape: expected \(2,\), .* in .*/images, found \(3,\)"),
        (IMAGES, LABELS[:-1] + b"\x0a", "labels: label 1: expected 0 to 9, found 10"),
    ],
)
def test_pair_that_does_not_match_is_refused(
    tmp_path: Path, images: bytes, labels: bytes, complaint: str
) -> None:
    with pytest.raises(PipelineError, match=f"/{complaint}$"):
        idx.read_pair(saved(tmp_path, images, "images"), saved(tmp_path, labels, "labels"))


def test_written_files_are_standard_idx_in_gzip_of_fixed_bytes(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (84, 28, 28), dtype=np.uint8)
    idx.write(tmp_path / "values.gz", array)  # of two blocks
    assert gzip.decompress((tmp_path / "values.gz").read_bytes()) == idx_bytes(array)
    idx.write(tmp_path / "labels.gz", np.array([7, 9], np.uint8))
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\x01\x0a\0\xf5\xff"
    assert (tmp_path / "labels.gz").read_bytes()[:-8] == header + LABELS
