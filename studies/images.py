"""The images that a study is about, as the convert stage wrote them."""

from pathlib import Path

import pandas as pd

from digits import config
from digits.data import png_archive
from digits.data.dataset import Images
from digits.errors import PipelineError

PNG = Path("data/png")
# Test images whose label fewer than three of five people confirmed: Northcutt, C. G., Athalye, A.,
# and Mueller, J. (2021), Pervasive label errors in test sets destabilize machine learning
# benchmarks; numbers of MNIST's testing images, from https://github.com/cleanlab/label-errors.
# Only the hundred or so that confident learning had named there were shown to people.
LABEL_ERRORS = (
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729,
)  # fmt: skip


def read_images(dataset: str, rows: pd.DataFrame | None = None) -> Images:
    """Read all images of a data set, those that the ``rows`` of a study are of.

    Raises PipelineError if those that are there are of another one, or damaged; or there are none.
    """
    chosen = config.load().dataset
    if chosen != dataset:
        raise PipelineError(
            f"{PNG} holds {chosen}, as params.yaml has it; the study is of {dataset}"
        )
    try:
        images = png_archive.read(PNG)
    except FileNotFoundError as error:
        raise PipelineError(f"{error.filename} is missing; `dvc repro convert` makes it") from None
    if rows is not None and set(rows["data"].dropna()) - {images.digest[:12]}:
        raise PipelineError(f"{PNG} holds other images than the runs were trained on")
    return images
