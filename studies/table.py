"""The rows of a study, runs.csv: what was measured, of which code, data and processor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from digits.errors import PipelineError
from digits.io import write_csv
from studies.study import Set, Study

KEY = ["setting", "images", "fold", "seed"]  # of a run; one in phases has a row for each
COUNTS = [*KEY[1:], "phase", "epochs", "parameters", "macs"]
MEASURED = [f"{name}_{kind}" for kind in ("accuracy", "loss") for name in get_args(Set)]
MEASURED += ["strokes_accuracy"]  # of digits drawn with pens: bench/unfreezing.py
ORIGIN = ["data", "processor", "recipe", "identity"]
COLUMNS = ["setting", *COUNTS, "learning_rate", *MEASURED, *ORIGIN]
NEEDED = ["setting", "images", "seed", "phase", "identity"]
TYPES = dict.fromkeys(COLUMNS, float) | dict.fromkeys(["setting", *ORIGIN], object)


def read(path: Path) -> pd.DataFrame:
    """Read all rows: `COLUMNS`, what a study does not have being NaN; empty without the file.

    Raises PipelineError if it is no such table.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_csv(path, dtype=TYPES)
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of runs: {error}") from None
    missing = [name for name in NEEDED if name not in table or table[name].isna().any()]
    if missing or not set(table.columns) <= set(COLUMNS):
        raise PipelineError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, with a value in each row of "
            f"{', '.join(NEEDED)}; `git checkout` brings back what was there"
        )
    return table.reindex(columns=COLUMNS).round(6).astype(TYPES)


def write(path: Path, table: pd.DataFrame) -> None:
    """Write rows, without the columns that none of them fills."""
    shown = [name for name in COLUMNS if name in NEEDED or table[name].notna().any()]
    whole = [name for name in COUNTS if name in shown]
    write_csv(path, table[shown].astype(dict.fromkeys(whole, "Int64")))


def of_run(table: pd.DataFrame, key: Mapping[str, Any]) -> pd.Series:
    """Return which rows are of a run, by the columns `KEY`; ``fold`` may be None."""
    same = (table[name].isna() if key[name] is None else table[name] == key[name] for name in KEY)
    found: pd.Series = pd.concat(same, axis=1).all(axis=1)
    return found


def put(table: pd.DataFrame, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table with the rows of a run in place of former ones of the same run."""
    new = pd.DataFrame(rows).reindex(columns=COLUMNS)
    kept = table[~of_run(table, rows[0])]
    parts = [part for part in (kept, new) if len(part)]
    return pd.concat(parts, ignore_index=True)


def sort(table: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return the rows in the order of the settings, then images, fold, seed and phase."""
    place = table["setting"].map({name: place for place, name in enumerate(settings)})
    by = ["place", *KEY[1:], "phase"]
    return table.assign(place=place).sort_values(by, kind="stable").drop(columns="place")


def chosen(table: pd.DataFrame, study: Study, path: Path) -> pd.DataFrame:
    """Return the rows of the settings, seeds and numbers of images that a study has.

    Raises PipelineError if there is none.
    """
    seeds = {name: one.seeds or study.seeds for name, one in study.settings.items()}
    runs = zip(table["setting"], table["seed"], strict=True)
    found = table[np.array([seed in seeds.get(setting, ()) for setting, seed in runs], bool)]
    wanted = found["images"].isin(study.images)
    if "all" in study.images:
        wanted |= found["images"] == found.groupby("setting")["images"].transform("max")
    found = found[wanted]
    if found.empty:
        address = f"studies/dvc.yaml:analyse@{path.parts[-3]}"
        raise PipelineError(f"{path} has no run yet; `dvc repro {address}` trains")
    whole = dict.fromkeys(("images", "seed", "phase"), np.int64)
    return found.reset_index(drop=True).astype(whole)
