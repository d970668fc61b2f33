"""The images that a study is about, as the convert stage wrote them."""

from pathlib import Path

import pandas as pd

from digits import config
from digits.data.dataset import Images
from digits.data.png_archive import Archive
from digits.errors import PipelineError

PNG = Path("data/png")
TESTING = 1  # the source of the data set's own testing images


def read_images(dataset: str, rows: pd.DataFrame | None = None) -> Images:
    """Read all images of a data set, those that the ``rows`` of a study are of.

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
            images = Images(archive.read(range(len(archive))), archive.labels, archive.sources)
    except FileNotFoundError as error:
        raise PipelineError(f"{error.filename} is missing; `dvc repro convert` makes it") from None
    if rows is not None and set(rows["data"].dropna()) - {images.digest[:12]}:
        raise PipelineError(f"{PNG} holds other images than the runs were trained on")
    return images
