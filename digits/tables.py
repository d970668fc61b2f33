"""The tables that train and evaluate hand on, and reading them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from digits.errors import PipelineError
from digits.io import write_csv

CURVES = [
    "epoch",
    "phase",
    "loss",
    "cross_entropy",
    "accuracy",
    "dev_loss",
    "dev_cross_entropy",
    "dev_accuracy",
    "learning_rate",
]
PREDICTIONS = ["id", "label", "predicted", "probability", "label_probability"]


def read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of finite numbers with at least one row and exactly ``columns``, in that order.

    Raises:
        PipelineError: it is no such table.
        FileNotFoundError: there is no such file.
    """
    try:
        table = pd.read_csv(path, low_memory=False)  # one type for all of a column
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of comma-separated values: {error}") from None
    if list(table.columns) != list(columns) or table.empty:
        raise PipelineError(
            f"{path}: expected rows with the columns {', '.join(columns)}, "
            f"found {len(table)} with {', '.join(map(str, table.columns))}"
        )
    numbers: pd.DataFrame = table.apply(pd.to_numeric, errors="coerce")
    finite = np.isfinite(numbers).all(axis=1)
    if not finite.all():
        raise PipelineError(f"{path}, line {int(np.argmin(finite)) + 2}: expected numbers only")
    return numbers


def write_curves(path: Path, curves: pd.DataFrame) -> None:
    """Write a training's curves to seven significant digits, what float32 holds."""
    counts = ["epoch", "phase"]
    figures = curves.drop(columns=counts).map(lambda value: float(f"{value:.7g}"))
    write_csv(path, curves[counts].join(figures))
