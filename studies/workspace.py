"""Where a study finds the images, keeps trainings under way, and writes its tables."""

import os
from pathlib import Path

from digits.errors import PipelineError
from digits.evaluation import report
from digits.io import replacing
from studies import jobs

STUDIES = Path("studies")
PNG = Path("data/png")


def read_images() -> jobs.Images:
    """Read all images of the data set.

    Raises:
        PipelineError: they are not there, or damaged.
    """
    try:
        return jobs.read(PNG)
    except FileNotFoundError as error:
        raise PipelineError(f"{error.filename} is missing; `dvc repro convert` makes it") from None


def store() -> Path:
    """Return the folder for trainings under way."""
    return Path(os.environ.get("STUDY_STORE") or "checkpoints/studies")


def put_into_page(page: Path, tables: str, command: str) -> None:
    """Bring the tables that ``command`` makes up to date in a page.

    Raises:
        PipelineError: the page is missing, or has no place for them.
    """
    try:
        text = report.replace_table(page.read_text(encoding="utf-8"), tables, command)
    except FileNotFoundError:
        raise PipelineError(f"{page} is missing; `git checkout {page}` brings it back") from None
    except PipelineError as error:
        raise PipelineError(f"{page}: {error}") from None
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
