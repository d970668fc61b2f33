"""A network's predictions as data: what train writes, and every later stage reads."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import PipelineError
from digits.io import replacing


@dataclass(frozen=True)
class Step:
    """A layer of a network, and those that go with it: what they are and what sets them apart.

    ``shape`` is that of the output, without the batch; ``sources`` are the numbers of the steps
    that it takes its input from.
    """

    text: str
    shape: tuple[int, ...]
    parameters: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Predictions:
    """What a trained network predicts.

    ``probabilities``: float32 (n, 10), in [0, 1], of every image; row number and id are the same.
    ``parameters``: number of the network's weights. ``phases``: float32 (p, m, 10), in [0, 1], at
    the end of each of p phases, of the m images that `phase_rows` names; p is 0 for a training in
    one phase. ``steps``: of the network, in the order in which they are used.
    """

    probabilities: NDArray[np.float32]
    parameters: int
    phases: NDArray[np.float32]
    steps: Sequence[Step]


def phase_rows(rows: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the row numbers of the images in dev or test, ascending; ``rows`` as in a Dataset."""
    return np.union1d(rows["dev"], rows["test"])


def write(
    path: Path,
    probabilities: NDArray[np.floating],
    parameters: int,
    phases: NDArray[np.floating],
    steps: Sequence[Step],
) -> None:
    """Write an .npz file of what `Predictions` describes; equal content gives equal bytes.

    Not by `numpy.savez`, whose bytes depend on Python's version, and on zlib's if it compresses.
    """
    arrays: dict[str, Any] = {
        "probabilities": np.asarray(probabilities, np.float32),
        "parameters": np.int64(parameters),
        "phases": np.asarray(phases, np.float32),
        "steps": np.array(json.dumps([asdict(step) for step in steps])),
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())  # of 1980, always


def read(path: Path, images: int, rows: Mapping[str, NDArray[np.int64]]) -> Predictions:
    """Read what `write` wrote, of so many ``images`` in sets of these ``rows``.

    Raises PipelineError if the file is damaged, or an array is of another split.
    """
    with path.open("rb") as file:
        try:
            content = np.load(file, allow_pickle=False)
            found = {name: content[name] for name in ("probabilities", "parameters", "phases")}
            steps = [
                Step(one["text"], tuple(one["shape"]), one["parameters"], tuple(one["sources"]))
                for one in json.loads(str(content["steps"]))
            ]
        except Exception as error:  # whatever zipfile, zlib and NumPy raise on damaged bytes
            reason = " ".join(str(error).split())[:200]
            raise PipelineError(f"{path} is not what train writes, or damaged: {reason}") from None
    count = found["phases"].shape[:1]
    for name, dtype, shape in (
        ("probabilities", "float32", (images, 10)),
        ("parameters", "int64", ()),
        ("phases", "float32", (*count, len(phase_rows(rows)), 10)),
    ):
        array = found[name]
        if array.dtype != dtype or array.shape != shape:
            raise PipelineError(
                f"{path}: expected {name} as {dtype} {shape}, found {array.dtype} {array.shape}"
            )
        if dtype == "float32" and not ((array >= 0) & (array <= 1)).all():  # NaN is neither
            raise PipelineError(f"{path}: expected {name} from 0 to 1, found others")
    return Predictions(found["probabilities"], int(found["parameters"]), found["phases"], steps)
