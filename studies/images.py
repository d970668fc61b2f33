"""The images that a study is about, as the convert stage wrote them."""

from pathlib import Path

from digits import config
from digits.data.dataset import Images
from digits.data.png_archive import Archive
from digits.errors import PipelineError

PNG = Path("data/png")
TESTING = 1  # the source of the data set's own testing images


def read_images(dataset: str) -> Images:
    """Read all images of a data set.

    Raises:
        PipelineError: those that are there are of another one, or damaged; or there are none.
    """
    chosen = config.load().dataset
    if chosen != dataset:
        raise PipelineError(
            f"{PNG} holds {chosen}, as params.yaml has it; the study is of {dataset}"
        )
    try:
        with Archive(PNG / "training.zip", PNG / "testing.zip") as archive:
            return Images(archive.read(range(len(archive))), archive.labels, archive.sources)
    except FileNotFoundError as error:
        raise PipelineError(f"{error.filename} is missing; `dvc repro convert` makes it") from None
