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
    """Return training.zip with them, beside testing.zip with the same backwards."""
    path = tmp_path / "training.zip"
    png_archive.write(path, images, LABELS, first_id=0)
    png_archive.write(tmp_path / "testing.zip", images[::-1], LABELS[::-1], first_id=6)
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


def test_bytes_are_the_same_everywhere(training: Path) -> None:
    digest = hashlib.sha256(training.read_bytes()).hexdigest()
    assert digest == "56171f9ccebc10494c3fea969c76c579a0c90771b4d6a9d80415c466d9501ad4"


def test_both_archives_are_one_sequence(training: Path, images: Images) -> None:
    found = png_archive.read(training.parent)
    assert found.labels.tolist() == LABELS + LABELS[::-1]
    assert found.sources.tolist() == [0] * 6 + [1] * 6
    assert np.array_equal(found.pixels, np.concatenate([images, images[::-1]]))
    without = png_archive.read(training.parent, pixels=False)
    assert (without.labels.tolist(), len(without.pixels)) == (found.labels.tolist(), 0)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_of_another_tool_is_read(training: Path, images: Images, compression: int) -> None:
    entries = {f"training/{k}/{i:05d}.png": png(images[i]) for i, k in enumerate(LABELS)}
    folders = {"training/": b"", "training/5/": b""}
    pack(training, folders | dict(reversed(entries.items())), compression)
    assert np.array_equal(png_archive.read(training.parent).pixels[:6], images)


def test_failed_write_leaves_the_earlier_archive(training: Path, images: Images) -> None:
    before = training.read_bytes()
    with pytest.raises(ValueError, match="shorter"):
        png_archive.write(training, images[::-1], LABELS[:3], first_id=0)
    assert training.read_bytes() == before
    assert {path.name for path in training.parent.iterdir()} == {"training.zip", "testing.zip"}


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
    pack(training.with_name("testing.zip"), {})
    where = r"training\.zip: training/7/00000\.png cannot be read: "
    with pytest.raises(PipelineError, match=where + reason):
        png_archive.read(training.parent)


def test_changed_byte_in_the_archive_is_noticed(training: Path) -> None:
    content = bytearray(training.read_bytes())
    content[500] ^= 1
    training.write_bytes(content)
    with pytest.raises(PipelineError, match=r"00000\.png cannot be read: Bad CRC-32"):
        png_archive.read(training.parent)


@pytest.mark.parametrize("kept", [0, 500, -1])
def test_cut_archive_is_refused(training: Path, kept: int) -> None:
    training.write_bytes(training.read_bytes()[:kept])
    with pytest.raises(PipelineError, match=r"training\.zip is not a ZIP, or a damaged one"):
        png_archive.read(training.parent)


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
        png_archive.read(training.parent)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no images in "),
        (["7/00001"], r"training/7/00001\.png: expected id 00000 next"),
        (["7/00000", "7/00002"], r"7/00002\.png: expected id 00001 next"),
        (["7/00000", "8/00000"], r"8/00000\.png: expected id 00001 next"),
    ],
)
def test_ids_must_count_from_zero(training: Path, names: list[str], reason: str) -> None:
    pack(training, {f"training/{name}.png": GREY for name in names})
    pack(training.with_name("testing.zip"), {})
    with pytest.raises(PipelineError, match=reason):
        png_archive.read(training.parent)
