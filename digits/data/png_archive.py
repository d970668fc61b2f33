"""ZIPs of PNGs: one image per entry, named ``<stem of the ZIP>/<label>/<id>.png``.

After `MOST_ENTRIES` images a ZIP goes on in another beside it, <stem>-1.zip, <stem>-2.zip, ...:
whoever writes or reads one has the list of its entries in memory, a kilobyte each.

Neither the PNGs nor the ZIPs are compressed: zlib's output depends on its build and on the CPU,
and equal images must give equal files everywhere.
"""

import io
import itertools
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from digits.errors import PipelineError
from digits.io import replacing

SIDE = 28
MOST_ENTRIES = 100_000  # of a ZIP that we write
OPEN = 2  # ZIPs at a time: MNIST's two
MOST_BYTES = 2**16  # of a PNG of this size, whatever tool wrote it; more is never unpacked

# What zipfile, its decompressors and Pillow raise when they meet damaged bytes.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
)


def write(
    path: Path, images: Iterable[NDArray[np.uint8]], labels: Iterable[int], first_id: int
) -> None:
    """Write images into ZIPs whose bytes depend on nothing but the arguments.

    Args:
        path: the first ZIP; its stem is the name of the folder inside. Those beside it that an
            earlier call needed and this one does not are removed.
        images: uint8 (28, 28) each, 0 (black) to 255; taken one at a time, never held together.
        labels: 0 to 9, one for each image.
        first_id: the id of the first image; the others count on from it.

    Raises:
        OSError: e.g. a full disk; the ZIP being written is then as it was before.
    """
    entries = enumerate(zip(images, labels, strict=True), first_id)
    entry = next(entries, None)
    parts = _names(path)
    for part in parts:
        with replacing(part) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            while entry and len(archive.filelist) < MOST_ENTRIES:
                number, (image, label) = entry
                _add(archive, f"{path.stem}/{label}/{number:05d}.png", image)
                entry = next(entries, None)
        if not entry:
            break
    for left in itertools.takewhile(Path.exists, parts):
        left.unlink()


class Archive:
    """The images of one or more ZIPs as one sequence in which row number and id are the same.

    A context manager. Other tools may have rewritten the ZIPs, compressed and in another order,
    as long as the entries' names and pixels are valid.

    Attributes:
        labels: uint8 (n,), 0 to 9.
        sources: uint8 (n,), which of the given ZIPs, from 0, the image is of.
    """

    def __init__(self, *paths: Path):
        """Read the lists of entries, not yet the images.

        Args:
            paths: ZIPs; those beside one that go on where it is full, as `write` names them, are
                read with it.

        Raises:
            PipelineError: a file is not a ZIP, an entry has an unexpected name, or the ids over
                all ZIPs are not 0, 1, 2, ... without repetition or gap.
            FileNotFoundError: a ZIP is missing.
        """
        self._paths = paths
        self._open: dict[int, zipfile.ZipFile] = {}
        self._parts = [
            (source, part)
            for source, path in enumerate(paths)
            for part in itertools.takewhile(lambda one: one in paths or one.exists(), _names(path))
        ]
        found = np.concatenate([self._list(number) for number in range(len(self._parts))])
        order = np.argsort(found["id"], kind="stable")
        self._part, self._place = found["part"][order], found["place"][order]
        self.labels = found["label"][order]
        self.sources = np.array([source for source, _ in self._parts], np.uint8)[self._part]
        self._check(found["id"][order])

    def __len__(self) -> int:
        return len(self.labels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()  # their lists of entries go, too

    def images(self, rows: Iterable[int]) -> Iterator[NDArray[np.uint8]]:
        """Read the images of ``rows`` one after the other, each uint8 (28, 28), 0 to 255.

        Raises:
            PipelineError: an entry is damaged, or not an 8-bit grey PNG of 28x28 pixels.
        """
        for row in rows:
            file, entry = self._entry(row)
            try:
                if entry.file_size > MOST_BYTES:
                    raise ValueError(f"expected {MOST_BYTES} bytes at most, not {entry.file_size}")
                image = _decode(file.read(entry))
            except _DAMAGE as error:
                raise PipelineError(f"{self._name(row)} cannot be read: {error}") from None
            yield image

    def _list(self, part: int) -> NDArray[np.void]:
        """Return what the names of a ZIP's entries say, and the places of these in it."""
        source, path = self._parts[part]
        return np.fromiter(
            (
                (*_id_and_label(path, self._paths[source].stem, entry), part, place)
                for place, entry in enumerate(self._zip(part).filelist)
                if not entry.is_dir()
            ),
            dtype=[("id", "i8"), ("label", "u1"), ("part", "i4"), ("place", "i4")],
        )

    def _zip(self, part: int) -> zipfile.ZipFile:
        """Return an open ZIP; of many, those used before the last few are closed."""
        if part not in self._open:
            while len(self._open) >= OPEN:
                self._open.pop(next(iter(self._open))).close()
            self._open[part] = _open(self._parts[part][1])
        return self._open[part]

    def _entry(self, row: int) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        """Return where an image is."""
        file = self._zip(int(self._part[row]))
        return file, file.filelist[self._place[row]]

    def _check(self, ids: NDArray[np.int64]) -> None:
        """Refuse ids that are not 0, 1, 2, ..."""
        if not len(ids):
            raise PipelineError(f"no images in {' and '.join(map(str, self._paths))}")
        wrong = np.flatnonzero(ids != np.arange(len(ids)))
        if len(wrong):
            row = int(wrong[0])
            if ids[row] > row:
                raise PipelineError(f"{self._name(row)} follows a gap: no image has id {row:05d}")
            raise PipelineError(f"{self._name(row - 1)} and {self._name(row)} have the same id")

    def _name(self, row: int) -> str:
        return f"{self._parts[self._part[row]][1]}: {self._entry(row)[1].filename}"


def _open(path: Path) -> zipfile.ZipFile:
    """Open a ZIP for reading."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise PipelineError(f"{path} is not a ZIP, or a damaged one: {error}") from None


def _names(path: Path) -> Iterator[Path]:
    """Yield the names of a ZIP and of those that go on where it is full."""
    yield path
    for number in itertools.count(1):
        yield path.with_stem(f"{path.stem}-{number}")


def _add(archive: zipfile.ZipFile, name: str, image: NDArray[np.uint8]) -> None:
    """Add an image as an entry of the same bytes everywhere."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, wherever this runs; the next line is in its terms
    entry.external_attr = 0o100644 << 16
    archive.writestr(entry, _encode(image))


def _id_and_label(path: Path, stem: str, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Take the name of an entry apart."""
    match = re.fullmatch(r"(.+)/([0-9])/([0-9]{5,18})\.png", entry.filename)
    if not match or match[1] != stem:
        raise PipelineError(
            f"{path}: expected entries like {stem}/7/00042.png, found {entry.filename!r}"
        )
    return int(match[3]), int(match[2])


def _encode(image: NDArray[np.uint8]) -> bytes:
    """Return the PNG of a uint8 (28, 28) image: unfiltered lines in one stored block."""
    lines = np.zeros((SIDE, 1 + SIDE), np.uint8)  # each line is led by the number of its filter
    lines[:, 1:] = image
    pixels = lines.tobytes()
    checksum = struct.pack(">I", zlib.adler32(pixels))
    return _HEAD + _chunk(b"IDAT", _BLOCK + pixels + checksum) + _TAIL


def _decode(png: bytes) -> NDArray[np.uint8]:
    """Return the pixels of an 8-bit grey PNG; our own PNGs need no Pillow, which is slower."""
    if len(png) == _LENGTH:
        lines = np.frombuffer(png, np.uint8, SIDE * (1 + SIDE), offset=_PIXELS)
        image = lines.reshape(SIDE, 1 + SIDE)[:, 1:]
        if _encode(image) == png:
            return image
    PngImageFile(io.BytesIO(png)).verify()  # the checksums, which reading the pixels passes over
    with PngImageFile(io.BytesIO(png)) as picture:
        if picture.mode != "L" or picture.size != (SIDE, SIDE):
            raise ValueError(
                f"expected 8-bit grey (L) of {SIDE}x{SIDE} pixels, "
                f"found {picture.mode} of {picture.width}x{picture.height}"
            )
        return np.asarray(picture)


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a PNG chunk: length, kind, content, checksum."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


# The parts of our PNGs that are always the same (RFC 2083; RFC 1950 and 1951 for the block).
_HEAD = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0))
_BLOCK = b"\x78\x01" + struct.pack("<BHH", 1, SIDE * (1 + SIDE), ~(SIDE * (1 + SIDE)) & 0xFFFF)
_TAIL = _chunk(b"IEND", b"")
_PIXELS = len(_HEAD) + 8 + len(_BLOCK)
_LENGTH = len(_encode(np.zeros((SIDE, SIDE), np.uint8)))
