"""Reading and writing gzipped IDX files of unsigned bytes, the format MNIST comes in.

Two zero bytes, 0x08 for unsigned bytes, the number of dimensions, each dimension as a big-endian
32-bit number, then the values, the last dimension running fastest
(https://yann.lecun.com/exdb/mnist/).
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.errors import PipelineError
from digits.io import replacing

Bytes = NDArray[np.uint8]

FILES = {  # images and labels of both parts of a data set, under MNIST's names
    "training": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "testing": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
MOST_BYTES = 2**30  # of values: twenty times MNIST; a header that announces more is taken as wrong


def read(path: Path) -> Bytes:
    """Read a file of labels (one dimension) or images (three); the result is read-only.

    Raises PipelineError with the field that is damaged, what was expected and what was found.
    """
    try:
        with gzip.open(path) as file:
            magic = file.read(4).hex()
            if magic not in ("00000801", "00000803"):
                raise _defect(path, "magic number", "00000801 or 00000803", magic or "nothing")
            rank = int(magic[-1])
            dimensions = file.read(4 * rank)
            if len(dimensions) < 4 * rank:
                raise _defect(path, "dimensions", f"{4 * rank} bytes", len(dimensions))
            shape = struct.unpack(f">{rank}I", dimensions)
            size = math.prod(shape)
            if not 0 < size <= MOST_BYTES:
                raise _defect(path, "dimensions", f"1 to {MOST_BYTES} values", size)
            values = file.read(size + 1)  # one more: past the end, gzip compares its checksum
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _defect(path, "compression", "intact gzip", error) from None
    if len(values) != size:
        found = len(values) if len(values) < size else "more"
        raise _defect(path, "values", f"{size} bytes", found)
    return np.frombuffer(values, np.uint8).reshape(shape)


def read_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    """Read images and the labels that belong to them.

    Images are uint8 (n, 28, 28), grey levels from 0 (paper) to 255 (ink), labels uint8 (n,), 0 to
    9. Raises PipelineError if a file is damaged, holds something else, or the two do not match.
    """
    images, labels = read(images_path), read(labels_path)
    if images.shape[1:] != (28, 28):
        raise _defect(images_path, "shape", "(n, 28, 28)", images.shape)
    if labels.shape != images.shape[:1]:
        expected = f"{images.shape[:1]}, a label for each image in {images_path}"
        raise _defect(labels_path, "shape", expected, labels.shape)
    if labels.max() > 9:
        index = int((labels > 9).argmax())
        raise _defect(labels_path, f"label {index}", "0 to 9", labels[index])
    return images, labels


def write(path: Path, array: Bytes) -> None:
    """Write labels or images. The gzip is stored, so its bytes do not depend on the zlib."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    content = header + array.astype(np.uint8, casting="no", copy=False).tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(packed(content))


def write_dataset(folder: Path, images: Bytes, labels: Bytes, testing: int) -> None:
    """Write images and their labels as `FILES`, the last ``testing`` ones for testing."""
    border = len(images) - testing
    for part, rows in (("training", slice(border)), ("testing", slice(border, None))):
        for name, array in zip(FILES[part], (images, labels), strict=True):
            write(folder / name, array[rows])


def packed(content: bytes) -> bytes:
    """Wrap bytes as gzip without compressing them (RFC 1951, 3.2.4, and RFC 1952)."""
    parts = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]  # no name, no time, unknown system
    for start in range(0, len(content), 0xFFFF):
        block = content[start : start + 0xFFFF]
        last = start + 0xFFFF >= len(content)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(content), len(content))])


def _defect(path: Path, field: str, expected: object, found: object) -> PipelineError:
    return PipelineError(f"{path}: {field}: expected {expected}, found {found}")
