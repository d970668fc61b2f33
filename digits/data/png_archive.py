"""ZIPs of PNGs: one image per entry, named ``<stem of the ZIP>/<label>/<id>.png``.

Neither the PNGs nor the ZIPs are compressed: zlib's output depends on its build and on the CPU,
and equal images must give equal files everywhere. Whoever writes or reads a ZIP has the list of its
entries in memory, about a kilobyte an image.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from digits.errors import PipelineError
from digits.io import replacing

SIZE = 28
MOST_BYTES = 2**16  # of a PNG of this size, whatever tool wrote it; more is never unpacked


def write(
    path: Path, images: Iterable[NDArray[np.uint8]], labels: Iterable[int], first_id: int
) -> None:
    """Write images into a ZIP whose bytes depend on the arguments and on Pillow's version alone.

    Images, uint8 (28, 28), 0 (black) to 255, are taken one at a time, never held together; each has
    a label, 0 to 9. Ids count on from ``first_id``. The stem of ``path`` is the folder in the ZIP.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for number, (image, label) in enumerate(zip(images, labels, strict=True), first_id):
            entry = zipfile.ZipInfo(f"{path.stem}/{label}/{number:05d}.png")  # of 1980, always
            entry.create_system = 3  # Unix, wherever this runs; the next line is in its terms
            entry.external_attr = 0o100644 << 16
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG", compress_level=0)
            archive.writestr(entry, png.getvalue())


class Archive:
    """The images of one or more ZIPs as one sequence in which row number and id are the same.

    A context manager. Other tools may have rewritten the ZIPs, compressed and in another order, as
    long as the entries' names and pixels are valid. ``labels`` are uint8 (n,), 0 to 9; ``sources``
    uint8 (n,), which of the ZIPs, from 0, an image is of.
    """

    def __init__(self, *paths: Path):
        """Read the lists of entries, not yet the images.

        Raises PipelineError if a file is not a ZIP, an entry has an unexpected name, or the ids
        over all ZIPs are not 0, 1, 2, ... without repetition or gap.
        """
        self._files = [_open(path) for path in paths]
        found = np.fromiter(
            (
                (*_id_and_label(path, entry), source, place)
                for source, path in enumerate(paths)
                for place, entry in enumerate(self._files[source].filelist)
                if not entry.is_dir()
            ),
            np.dtype((np.int64, 4)),
        )
        if not len(found):
            raise PipelineError(f"no images in {' and '.join(map(str, paths))}")
        ids, labels, sources, self._places = found[found[:, 0].argsort(kind="stable")].T
        self.labels, self.sources = labels.astype(np.uint8), sources.astype(np.uint8)
        wrong = np.flatnonzero(ids != np.arange(len(ids)))
        if len(wrong):
            row = int(wrong[0])
            if ids[row] > row:
                raise PipelineError(f"{self._name(row)} follows a gap: no image has id {row:05d}")
            raise PipelineError(f"{self._name(row - 1)} and {self._name(row)} have the same id")

    def __len__(self) -> int:
        return len(self.labels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        self._files.clear()  # their lists of entries are large

    def read(self, rows: Iterable[int]) -> NDArray[np.uint8]:
        """Return the images of ``rows``, uint8 (len(rows), 28, 28), 0 to 255.

        Raises PipelineError if an entry is damaged, or not an 8-bit grey PNG of 28x28 pixels.
        """
        return np.fromiter(map(self._image, rows), np.dtype((np.uint8, (SIZE, SIZE))))

    def _image(self, row: int) -> NDArray[np.uint8]:
        file, entry = self._entry(row)
        try:
            if entry.file_size > MOST_BYTES:
                raise ValueError(f"expected {MOST_BYTES} bytes at most, not {entry.file_size}")
            with PngImageFile(io.BytesIO(file.read(entry))) as picture:
                if picture.mode != "L" or picture.size != (SIZE, SIZE):
                    raise ValueError(
                        f"expected 8-bit grey (L) of {SIZE}x{SIZE} pixels, "
                        f"found {picture.mode} of {picture.width}x{picture.height}"
                    )
                return np.asarray(picture)
        except Exception as error:  # whatever zipfile, its decompressors and Pillow raise on damage
            raise PipelineError(f"{self._name(row)} cannot be read: {error}") from None

    def _entry(self, row: int) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        """Return where an image is."""
        file = self._files[self.sources[row]]
        return file, file.filelist[self._places[row]]

    def _name(self, row: int) -> str:
        file, entry = self._entry(row)
        return f"{file.filename}: {entry.filename}"


def _open(path: Path) -> zipfile.ZipFile:
    path.stat()  # a missing file is no damaged one
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # whatever zipfile raises on damaged bytes
        raise PipelineError(f"{path} is not a ZIP, or a damaged one: {error}") from None


def _id_and_label(path: Path, entry: zipfile.ZipInfo) -> tuple[int, int]:
    match = re.fullmatch(r"(.+)/([0-9])/([0-9]{5,18})\.png", entry.filename)
    if not match or match[1] != path.stem:
        raise PipelineError(
            f"{path}: expected entries like {path.stem}/7/00042.png, found {entry.filename!r}"
        )
    return int(match[3]), int(match[2])
