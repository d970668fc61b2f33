"""The schema of the study's params.yaml."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML

from digits.config import Count, Section
from digits.errors import PipelineError

PATH = Path("studies/transfer/params.yaml")


class Small(Section):
    """How test images are shrunk: to between ``lowest`` and ``highest`` of their side."""

    lowest: Annotated[float, Field(gt=0, le=1)]
    highest: Annotated[float, Field(gt=0, le=1)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _in_order(self) -> "Small":
        if self.lowest > self.highest:
            raise ValueError("lowest must not be above highest")
        return self


class Study(Section):
    """What is compared: ``arms`` are changes of an architecture's entry in params.yaml."""

    architecture: str
    seeds: Annotated[list[Count], Field(min_length=1)]
    arms: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    small: Small


def load(path: Path = PATH) -> Study:
    """Read and check the study's parameters.

    Raises:
        PipelineError: with file, key, what is expected and what is given.
    """
    try:
        return Study.model_validate(YAML(typ="safe", pure=True).load(path))
    except ValidationError as errors:
        raise PipelineError(
            "; ".join(
                f"{path}: {'.'.join(map(str, error['loc']))}: {error['msg']}; "
                f"given {error['input']!r}"
                for error in errors.errors()
            )
        ) from None
