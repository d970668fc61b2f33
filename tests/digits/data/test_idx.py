import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from digits.data import idx
from digits.errors import PipelineError

IMAGES = struct.pack(">HBBIII", 0, 0x08, 3, 2, 28, 28) + bytes(range(256)) * 6 + bytes(32)
LABELS = struct.pack(">HBBI", 0, 0x08, 1, 2) + bytes([7, 9])


def saved(folder: Path, content: bytes, name: str = "values", *, zipped: bool = False) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PipelineError) as caught:
        idx.read(path)
    return str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_values_keep_shape_order_and_type(tmp_path: Path, zipped: bool) -> None:
    array = idx.read(saved(tmp_path, IMAGES, zipped=zipped))
    assert array.dtype == np.uint8
    assert array.shape == (2, 28, 28)
    assert array.tobytes() == IMAGES[16:]
    assert not array.flags.writeable


def test_plain_file_is_memory_mapped_under_any_name(tmp_path: Path) -> None:
    assert isinstance(idx.read(saved(tmp_path, IMAGES, "values.gz")), np.memmap)


@pytest.mark.parametrize(
    ("code", "kind"), [(0x09, "b"), (0x0B, "h"), (0x0C, "i"), (0x0D, "f"), (0x0E, "d")]
)
def test_other_types_are_read_as_big_endian(tmp_path: Path, code: int, kind: str) -> None:
    content = struct.pack(f">HBBI3{kind}", 0, code, 1, 3, -1, 0, 100)
    assert idx.read(saved(tmp_path, content)).tolist() == [-1, 0, 100]
    assert idx.read(saved(tmp_path, content, zipped=True)).tolist() == [-1, 0, 100]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "magic number: expected 4 bytes, found 0"),
        (b"\0\0\x08", "magic number: expected 4 bytes, found 3"),
        (b"PK" + LABELS[2:], "magic number: expected 0000 in its first two bytes, found 504b"),
        (
            b"\0\0\x07" + LABELS[3:],
            "type code: expected one of 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, found 0x07",
        ),
        (b"\0\0\x08\0", "number of dimensions: expected 1 to 32, found 0"),
        (b"\0\0\x08\xff" + bytes(2000), "number of dimensions: expected 1 to 32, found 255"),
        (LABELS[:6], "dimensions: expected 4 bytes, found 2"),
        (struct.pack(">HBBII", 0, 8, 2, 5, 0), "dimension 1: expected at least 1, found 0"),
        (LABELS[:-1], "values: expected 2 bytes, found 1"),
    ],
)
def test_damage_is_told_by_field(
    tmp_path: Path, content: bytes, complaint: str, zipped: bool
) -> None:
    path = saved(tmp_path, content, zipped=zipped)
    assert refusal(path) == f"{path}: {complaint}"


@pytest.mark.parametrize(("zipped", "found"), [(False, "4"), (True, "more")])
def test_trailing_bytes_are_refused(tmp_path: Path, zipped: bool, found: str) -> None:
    path = saved(tmp_path, LABELS + b"ab", zipped=zipped)
    assert refusal(path) == f"{path}: values: expected 2 bytes, found {found}"


def test_absurd_dimensions_are_refused(tmp_path: Path) -> None:
    content = struct.pack(">HBBIIII", 0, 0x08, 4, *[2**32 - 1] * 4)
    size = (2**32 - 1) ** 4
    assert f"values: expected {size} bytes, found 0" in refusal(saved(tmp_path, content))
    assert f"at most 1073741824 bytes of values, found {size}" in refusal(
        saved(tmp_path, content, zipped=True)
    )


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(LABELS + bytes(2**27), compresslevel=1))
    code = (
        "import resource, sys; from pathlib import Path; from digits import idx\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try: idx.read(Path(sys.argv[1]))\n"
        "except idx.PipelineError as error: print(error)\n"
        "print(peak() / before < 1.5)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, bomb], capture_output=True, text=True)
    assert run.stdout == f"{bomb}: values: expected 2 bytes, found more\nTrue\n", run.stderr


def cut(zipped: bytes) -> bytes:
    return zipped[:-20]


def checksum_flipped(zipped: bytes) -> bytes:
    return zipped[:-8] + bytes([zipped[-8] ^ 1]) + zipped[-7:]


def garbled(zipped: bytes) -> bytes:
    return zipped[:10] + b"\xff" * 20 + zipped[30:]


def followed_by_rubbish(zipped: bytes) -> bytes:
    return zipped + b"rubbish"


@pytest.mark.parametrize("damage", [cut, checksum_flipped, garbled, followed_by_rubbish])
def test_damaged_gzip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "values.gz"
    path.write_bytes(damage(gzip.compress(IMAGES)))
    assert refusal(path).startswith(f"{path}: compression: expected intact gzip, found ")


def test_missing_file_is_left_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        idx.read(tmp_path / "missing")


def test_pair_is_read_as_images_and_labels(
    tmp_path: Path, idx_files: Callable[[Path], None]
) -> None:
    idx_files(tmp_path)
    images, labels = idx.read_pair(
        tmp_path / "t10k-images-idx3-ubyte.gz", tmp_path / "t10k-labels-idx1-ubyte.gz"
    )
    assert images.shape == (20, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert labels.tolist() == [*range(10)] * 2


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (LABELS, LABELS, "images: number of dimensions: expected 3, found 1"),
        (IMAGES, IMAGES, "labels: number of dimensions: expected 1, found 3"),
        (
            IMAGES,
            struct.pack(">HBBI2i", 0, 0x0C, 1, 2, 7, 9),
            "labels: type code: expected 0x08 (unsigned bytes), found int32",
        ),
        (
            struct.pack(">HBBIII", 0, 8, 3, 2, 14, 56) + IMAGES[16:],
            LABELS,
            "images: image size: expected 28 x 28, found 14 x 56",
        ),
        (
            IMAGES,
            struct.pack(">HBBI", 0, 8, 1, 3) + bytes(3),
            "labels: number of labels: expected 2, as many as images in {}/images, found 3",
        ),
        (IMAGES, LABELS[:-1] + b"\x0a", "labels: label 1: expected 0 to 9, found 10"),
    ],
)
def test_pair_that_does_not_match_is_refused(
    tmp_path: Path, images: bytes, labels: bytes, complaint: str
) -> None:
    paths = saved(tmp_path, images, "images"), saved(tmp_path, labels, "labels")
    with pytest.raises(PipelineError) as caught:
        idx.read_pair(*paths)
    assert str(caught.value) == f"{tmp_path}/{complaint.format(tmp_path)}"


@pytest.mark.parametrize("shape", [(3,), (2, 28, 28), (84, 28, 28)])
def test_written_files_are_standard_idx(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    idx.write(tmp_path / "plain", array)
    idx.write(tmp_path / "values.gz", array)
    content = (tmp_path / "plain").read_bytes()
    assert content == struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes()
    assert gzip.decompress((tmp_path / "values.gz").read_bytes()) == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "values.gz"]


def test_gzip_bytes_are_fixed(tmp_path: Path) -> None:
    idx.write(tmp_path / "labels.gz", np.array([7, 9], np.uint8))
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\x01\x0a\0\xf5\xff"
    assert (tmp_path / "labels.gz").read_bytes()[:-8] == header + LABELS


def test_only_bytes_are_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        idx.write(tmp_path / "values", np.zeros(3))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
