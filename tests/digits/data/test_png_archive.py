import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from digits.data import png_archive
from digits.data.png_archive import Archive
from digits.errors import PipelineError

Images = npt.NDArray[np.uint8]

LABELS = [5, 0, 4, 1, 9, 2]


@pytest.fixture
def images() -> Images:
    """Six images: all black, all white, and four of noise."""
    noise = np.random.RandomState(1).randint(0, 256, (6, 28, 28)).astype(np.uint8)
    noise[0], noise[1] = 0, 255
    return noise


@pytest.fixture
def training(tmp_path: Path, images: Images) -> Path:
    path = tmp_path / "training.zip"
    png_archive.write(path, images, LABELS, first_id=0)
    return path


def png(pixels: npt.NDArray[np.generic], **options: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", **options)
    return content.getvalue()


def pack(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    """Write a ZIP as another tool would."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)


def read(*paths: Path) -> Images:
    with Archive(*paths) as found:
        return found.read(range(len(found)))


def test_bytes_are_the_same_everywhere(training: Path) -> None:
    digest = hashlib.sha256(training.read_bytes()).hexdigest()
    assert digest == "56171f9ccebc10494c3fea969c76c579a0c90771b4d6a9d80415c466d9501ad4"


def test_several_archives_are_one_sequence(training: Path, images: Images) -> None:
    testing = training.with_name("testing.zip")
    png_archive.write(testing, images[::-1], LABELS[::-1], first_id=6)
    with Archive(training, testing) as found:
        assert found.labels.tolist() == LABELS + LABELS[::-1]
        assert found.sources.tolist() == [0] * 6 + [1] * 6
        assert np.array_equal(found.read([7, 0]), images[[4, 0]])
    assert np.array_equal(read(training, testing), np.concatenate([images, images[::-1]]))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_of_another_tool_is_read(training: Path, images: Images, compression: int) -> None:
    entries = {f"training/{k}/{i:05d}.png": png(images[i]) for i, k in enumerate(LABELS)}
    folders = {"training/": b"", "training/5/": b""}
    pack(training, folders | dict(reversed(entries.items())), compression)
    assert np.array_equal(read(training), images)


def test_failed_write_leaves_the_earlier_archive(training: Path, images: Images) -> None:
    before = training.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        png_archive.write(training, images[::-1], LABELS[:3], first_id=0)
    assert training.read_bytes() == before
    assert list(training.parent.iterdir()) == [training]


GREY = png(np.zeros((28, 28), np.uint8))
STORED = png(np.zeros((28, 28), np.uint8), compress_level=0)
WRONG = {
    "size": (png(np.zeros((27, 28), np.uint8)), "expected 8-bit grey .* found L of 28x27"),
    "colour": (png(np.zeros((28, 28, 3), np.uint8)), ".* found RGB of 28x28"),
    "depth": (png(np.zeros((28, 28), np.uint16)), ".* found I;16 of 28x28"),
    "empty": (b"", "not a PNG"),
    "header only": (b"\x89PNG\r\n\x1a\n", "."),
    "cut": (GREY[:50], "."),
    "no data": (GREY.replace(b"IDAT", b"iDAT"), "."),
    "changed": (GREY[:45] + b"\x00" + GREY[46:], "broken data stream"),
    "changed pixel": (STORED[:100] + bytes([STORED[100] ^ 1]) + STORED[101:], "broken data stream"),
    "long": (bytes(2**16 + 1), "expected 65536 bytes at most, not 65537"),
}


@pytest.mark.parametrize(("content", "reason"), WRONG.values(), ids=WRONG)
def test_wrong_png_is_named_with_its_archive(training: Path, content: bytes, reason: str) -> None:
    pack(training, {"training/7/00000.png": content})
    where = r"training\.zip: training/7/00000\.png cannot be read: "
    with pytest.raises(PipelineError, match=where + reason):
        read(training)


def test_changed_byte_in_the_archive_is_noticed(training: Path) -> None:
    content = bytearray(training.read_bytes())
    content[500] ^= 1
    training.write_bytes(content)
    with pytest.raises(PipelineError, match=r"00000\.png cannot be read: Bad CRC-32"):
        read(training)


@pytest.mark.parametrize("kept", [0, 500, -1])
def test_cut_archive_is_refused(training: Path, kept: int) -> None:
    training.write_bytes(training.read_bytes()[:kept])
    with pytest.raises(PipelineError, match=r"training\.zip is not a ZIP, or a damaged one"):
        Archive(training)


@pytest.mark.parametrize(
    "name",
    [
        "training/12/00000.png",
        "training/7/0.png",
        "training/7/00000.jpg",
        "testing/7/00000.png",
        "training/7/" + 5000 * "0" + ".png",
    ],
)
def test_unexpected_entry_is_named(training: Path, name: str) -> None:
    pack(training, {name: GREY})
    with pytest.raises(PipelineError, match=rf"expected entries like training/7/.* '{name}'"):
        Archive(training)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], r"no images in .*training\.zip"),
        (["7/00001"], r"00001\.png follows a gap: no image has id 00000"),
        (["7/00000", "7/00002"], "no image has id 00001"),
        (["7/00000", "8/00000"], r"7/00000\.png and .*8/00000\.png have the same id"),
    ],
)
def test_ids_must_count_from_zero(training: Path, names: list[str], reason: str) -> None:
    pack(training, {f"training/{name}.png": GREY for name in names})
    with pytest.raises(PipelineError, match=reason):
        Archive(training)


def test_missing_archive_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Archive(tmp_path / "training.zip")
