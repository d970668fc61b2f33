"""Reading and writing files; what is written appears whole or not at all."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from digits.errors import PipelineError

MEASURED = ["loss", "cross_entropy", "accuracy"]  # in every epoch, on train and on dev
CURVES = ["epoch", "phase", *MEASURED, *(f"dev_{name}" for name in MEASURED), "learning_rate"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success it takes ``path``'s place, atomically.

    The parent folder is made if it is missing. When the block raises, the temporary file is removed
    and ``path`` stays as it was. The temporary name keeps the suffixes, since several writers
    choose their format by them, and is always the same, so that what a killed process left goes
    with the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffixes = "".join(path.suffixes)
    temporary = path.with_name(f".{path.name.removesuffix(suffixes)}.part{suffixes}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as UTF-8 JSON: indent 2, sorted keys, final newline; NaN is refused."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file written by `write_json`."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write ``table`` as UTF-8 CSV without the index, lines ending in a newline."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV of finite numbers with at least one row and exactly ``columns``, in that order.

    Raises PipelineError for any other table.
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
    metrics = curves.drop(columns=counts).map(lambda value: float(f"{value:.7g}"))
    write_csv(path, curves[counts].join(metrics))
