"""Writing files so that they appear whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success it takes ``path``'s place, atomically.

    The parent folder is made if it is missing. When the block raises, the temporary file is
    removed and ``path`` stays as it was. The temporary name keeps the suffixes, since several
    writers choose their format by them, and is always the same, so that what a killed process left
    goes with the next.
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
