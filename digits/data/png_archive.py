"""ZIPs of PNGs: one image per entry, named ``<stem of the ZIP>/<label>/<id>.png``.

Neither the PNGs nor the ZIPs are compressed: zlib's output depends on its build and on the CPU,
and equal images must give equal files everywhere. Whoever writes or reads a ZIP has the list of its
entries in memory, about a kilobyte an image.
"""

import io
import re
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from tqdm import tqdm

from digits.data.dataset import Images
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


def read(folder: Path, *, pixels: bool = True) -> Images:
    """Read training.zip and testing.zip of a folder as one sequence, in the order of the ids.

    Other tools may have rewritten them, compressed and in another order, as long as the entries'
    names and pixels are valid. Without ``pixels`` no image is unpacked.

    Raises PipelineError if a file is not a ZIP, an entry has an unexpected name, the ids are not 0,
    1, 2, ... without repetition or gap, or an image is not an 8-bit grey PNG of 28x28 pixels.
    """
    with ExitStack() as stack:
        found = []
        for source, part in enumerate(("training", "testing")):
            file = stack.enter_context(_open(folder / f"{part}.zip"))
            entries = (entry for entry in file.filelist if not entry.is_dir())
            found += [(*_id_and_label(part, entry), source, file, entry) for entry in entries]
        found.sort(key=lambda one: one[0])
        if not found:
            raise PipelineError(f"no images in {folder}")
        for row, (number, *_, file, entry) in enumerate(found):
            if number != row:
                where = f"{file.filename}: {entry.filename}"
                raise PipelineError(
                    f"{where}: expected id {row:05d} next; is one missing, or twice?"
                )
        some = found if pixels else []
        with tqdm(some, desc="images", unit="image", disable=not pixels) as bar:
            images = (_image(file, entry) for *_, file, entry in bar)
            unpacked = np.fromiter(images, np.dtype((np.uint8, (SIZE, SIZE))))
    labels, sources = np.array([(label, source) for _, label, source, *_ in found], np.uint8).T
    return Images(unpacked.view(np.uint8), labels, sources)


def _image(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[np.uint8]:
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
        where = f"{file.filename}: {entry.filename}"
        raise PipelineError(f"{where} cannot be read: {error}") from None


def _open(path: Path) -> zipfile.ZipFile:
    path.stat()  # a missing file is no damaged one
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # whatever zipfile raises on damaged bytes
        raise PipelineError(f"{path} is not a ZIP, or a damaged one: {error}") from None


def _id_and_label(part: str, entry: zipfile.ZipInfo) -> tuple[int, int]:
    match = re.fullmatch(rf"{part}/([0-9])/([0-9]{{5,18}})\.png", entry.filename)
    if not match:
        raise PipelineError(
            f"{part}.zip: expected entries like {part}/7/00042.png, found {entry.filename!r}"
        )
    return int(match[2]), int(match[1])
