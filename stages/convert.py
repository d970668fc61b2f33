"""Write every image as a PNG, lossless.

Reads the four IDX files in data/raw. Writes data/png/training.zip and data/png/testing.zip with
entries ``training/<label>/<id>.png`` and ``testing/<label>/<id>.png``; ids count from 0 through the
training images and on through the testing images, in the order of the raw files.
"""

from pathlib import Path

from tqdm import tqdm

from digits.data import idx, png_archive
from digits.errors import run_stage


def main() -> None:
    """Convert both pairs of files."""
    first_id = 0
    for part, names in idx.FILES.items():
        images, labels = idx.read_pair(*(Path("data/raw") / name for name in names))
        path = Path(f"data/png/{part}.zip")
        with tqdm(images, desc=path.name, unit="image") as bar:
            png_archive.write(path, bar, labels, first_id)
        print(f"{path}: {len(images)} images")
        first_id += len(images)


if __name__ == "__main__":
    run_stage("convert", main)
