"""Write every image as a PNG, lossless.

Reads the four IDX files in data/raw. Writes data/png/training.zip and data/png/testing.zip with
entries ``training/<label>/<id>.png`` and ``testing/<label>/<id>.png``; ids count from 0 through the
training images and on through the testing images, in the order of the raw files.
"""

from pathlib import Path

from tqdm import tqdm

from digits.data import idx, png_archive
from digits.errors import run_stage

RAW = Path("data/raw")
PNG = Path("data/png")


def main() -> None:
    """Convert both pairs of files."""
    first_id = 0
    for part, (images_name, labels_name) in idx.FILES.items():
        images, labels = idx.read_pair(RAW / images_name, RAW / labels_name)
        path = PNG / f"{part}.zip"
        with tqdm(images, desc=path.name, unit="image") as bar:
            png_archive.write(path, bar, labels, first_id)
        print(f"{path}: {len(images)} images")
        first_id += len(images)


if __name__ == "__main__":
    run_stage("convert", main)
