"""Reading and writing IDX files, the format MNIST comes in.

Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian 32-bit
number, then the values, big-endian, the last dimension running fastest
(https://yann.lecun.com/exdb/mnist/).
"""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from digits.errors import PipelineError
from digits.io import replacing

Bytes = npt.NDArray[np.uint8]
Shape = tuple[int, ...]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 32
MOST_BYTES = 2**30  # of values: twenty times MNIST; a header that announces more is taken as wrong
GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path) -> npt.NDArray[Any]:
    """Read an IDX file, gzip or plain; its first bytes decide which, not its name.

    Returns:
        The values, read-only, in the file's shape and type. A plain file is memory-mapped.

    Raises:
        PipelineError: the file is damaged; names the field, what was expected and what was found.
    """
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        return _read_gzip(path, file) if compressed else _read_plain(path, file)


def read_pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    """Read images and the labels that belong to them.

    Returns:
        Images, uint8 (n, 28, 28), grey levels from 0 (paper) to 255 (ink), and labels, uint8
        (n,), 0 to 9.

    Raises:
        PipelineError: a file is damaged, holds something else, or the two do not match.
    """
    images, labels = read(images_path), read(labels_path)
    for path, array, rank in ((images_path, images, 3), (labels_path, labels, 1)):
        if array.dtype != np.uint8:
            raise _defect(path, "type code", "0x08 (unsigned bytes)", array.dtype.name)
        if array.ndim != rank:
            raise _defect(path, "number of dimensions", rank, array.ndim)
    if images.shape[1:] != (28, 28):
        raise _defect(images_path, "image size", "28 x 28", "{} x {}".format(*images.shape[1:]))
    if len(labels) != len(images):
        expected = f"{len(images)}, as many as images in {images_path}"
        raise _defect(labels_path, "number of labels", expected, len(labels))
    if labels.max() > 9:
        index = int((labels > 9).argmax())
        raise _defect(labels_path, f"label {index}", "0 to 9", labels[index])
    return images, labels


def write(path: Path, array: Bytes) -> None:
    """Write unsigned bytes as an IDX file, as gzip if the name ends in ``.gz``.

    The gzip is stored, not compressed, so that its bytes are the same whichever zlib is installed.
    """
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    content = header + array.astype(np.uint8, casting="no", copy=False).tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(_stored(content) if path.suffix == ".gz" else content)


def _read_gzip(path: Path, file: BinaryIO) -> npt.NDArray[Any]:
    try:
        with gzip.open(file) as stream:
            dtype, shape = _read_header(path, stream)
            size = math.prod(shape) * dtype.itemsize
            if size > MOST_BYTES:
                raise _defect(path, "dimensions", f"at most {MOST_BYTES} bytes of values", size)
            values = stream.read(size + 1)  # one more: past the end, gzip compares its checksum
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _defect(path, "compression", "intact gzip", error) from None
    if len(values) != size:
        found = len(values) if len(values) < size else "more"
        raise _defect(path, "values", f"{size} bytes", found)
    return np.frombuffer(values, dtype).reshape(shape)


def _read_plain(path: Path, file: BinaryIO) -> npt.NDArray[Any]:
    dtype, shape = _read_header(path, file)
    size = math.prod(shape) * dtype.itemsize
    found = os.fstat(file.fileno()).st_size - file.tell()
    if found != size:
        raise _defect(path, "values", f"{size} bytes", found)
    return np.memmap(path, dtype, mode="r", offset=file.tell(), shape=shape)


def _read_header(path: Path, file: BinaryIO | gzip.GzipFile) -> tuple[np.dtype[Any], Shape]:
    magic = file.read(4)
    if len(magic) < 4:
        raise _defect(path, "magic number", "4 bytes", len(magic))
    if magic[:2] != b"\0\0":
        raise _defect(path, "magic number", "0000 in its first two bytes", magic[:2].hex())
    code, rank = magic[2:]
    if code not in TYPES:
        codes = ", ".join(f"0x{known:02x}" for known in TYPES)
        raise _defect(path, "type code", f"one of {codes}", f"0x{code:02x}")
    if not 1 <= rank <= MOST_DIMENSIONS:
        raise _defect(path, "number of dimensions", f"1 to {MOST_DIMENSIONS}", rank)
    dimensions = file.read(4 * rank)
    if len(dimensions) < 4 * rank:
        raise _defect(path, "dimensions", f"{4 * rank} bytes", len(dimensions))
    shape = struct.unpack(f">{rank}I", dimensions)
    if 0 in shape:
        raise _defect(path, f"dimension {shape.index(0)}", "at least 1", 0)
    return np.dtype(TYPES[code]), shape


def _stored(content: bytes) -> bytes:
    """Wrap bytes as gzip without compressing them (RFC 1951, 3.2.4, and RFC 1952)."""
    parts = [GZIP_MAGIC, b"\x08\0\0\0\0\0\0\xff"]  # no name, no time, unknown system
    for start in range(0, len(content), 0xFFFF):
        block = content[start : start + 0xFFFF]
        last = start + 0xFFFF >= len(content)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    return b"".join([*parts, struct.pack("<II", zlib.crc32(content), len(content))])


def _defect(path: Path, field: str, expected: object, found: object) -> PipelineError:
    return PipelineError(f"{path}: {field}: expected {expected}, found {found}")
