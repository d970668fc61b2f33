"""Train what a study lacks: python -m studies.run NAME.

Reads studies/NAME/study.yaml, params.yaml and data/png/. Adds to studies/NAME/runs/runs.csv a row
for each run, and beside it which images it classifies correctly, or their probabilities. Rows are
never dropped: those of older code stay and are counted, until --renew trains them anew, or --commit
says that they are as today's code would make them (`make same` shows whether that is so). A study
that was stopped goes on from checkpoints/studies/, or where STUDY_STORE says. Runs are side by
side, on this machine or on the Ray cluster that RAY_ADDRESS names (docs/cluster.md).
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from digits.data.dataset import Images
from digits.errors import PipelineError, command_line, run_stage
from digits.io import replacing
from digits.training import determinism
from studies import engine, runs, study, table
from studies.images import PNG, read_images
from studies.runs import Row, Run
from studies.study import STUDIES

Runs = dict[str, Run]  # by identity


def main() -> None:
    """Run the study named on the command line."""
    parser = command_line("studies.run", __doc__, name="a folder of studies/ with a study.yaml")
    parser.add_argument("--renew", action="store_true", help="train rows of older code anew")
    parser.add_argument(
        "--commit", nargs="*", metavar="SETTING", help="take rows of older code for today's"
    )
    arguments = parser.parse_args()
    folder = STUDIES / arguments.name
    one = study.read(arguments.name)
    images = read_images(one.dataset)
    determinism.pin(0, one.threads)  # before the check, which builds every network
    # One seed of every setting first: what is there can be compared before all is.
    every = runs.expand(one, arguments.name, images)
    every.sort(key=lambda run: (run.recipe.epochs or 0, run.seed))
    by_identity = {run.identity(images): run for run in every}
    path = folder / "runs/runs.csv"
    rows = table.read(path)
    if arguments.commit is not None:
        named = arguments.commit or one.settings
        chosen = {key: run for key, run in by_identity.items() if run.setting in named}
        rows = commit(rows, chosen, images)
    missing, older = compare(rows, by_identity, images)
    if older:
        print(
            f"{path}: {len(older)} runs are of older code, data or recipe; see --help", flush=True
        )
    if arguments.renew:
        missing |= older
    if arguments.commit is None:
        print(f"{len(by_identity)} runs, {len(missing)} to train", flush=True)
        store = Path(os.environ.get("STUDY_STORE") or "checkpoints/studies")
        for identity, found in engine.run(missing, images, store):
            run = missing[identity]
            with replacing(folder / f"runs/{run.name}.npz") as temporary:
                shutil.copyfile(store / identity / "kept.npz", temporary)
            rows = put(rows, found, run, images, identity)
            table.write(path, table.sort(rows, list(one.settings)))
    table.write(path, table.sort(rows, list(one.settings)))
    print(f"wrote {path}: {len(rows)} rows")


def put(
    rows: pd.DataFrame, found: list[Row], run: Run, images: Images, identity: str
) -> pd.DataFrame:
    """Return the rows with those ``found`` of a run, and where they come from."""
    origin = {"data": images.digest[:12], "recipe": run.digest, "identity": identity}
    return table.put(rows, [row | key(run, images) | origin for row in found])


def key(run: Run, images: Images) -> dict[str, Any]:
    """Return what tells a run from the others of its study, by the columns of the table."""
    count = run.images or len(run.rows(images)["train"])
    return {"setting": run.setting, "images": count, "fold": run.fold, "seed": run.seed}


def compare(rows: pd.DataFrame, by_identity: Runs, images: Images) -> tuple[Runs, Runs]:
    """Return the runs that have no row, and those that have one of older code."""
    current = set(rows["identity"])
    others = {identity: run for identity, run in by_identity.items() if identity not in current}
    older = {identity: run for identity, run in others.items() if held(rows, run, images).any()}
    return {one: others[one] for one in others if one not in older}, older


def held(rows: pd.DataFrame, run: Run, images: Images) -> pd.Series:
    """Return which rows are of a run and have all that it measures."""
    measured = rows[[f"{name}_accuracy" for name in run.sets]].notna().all(axis=1)
    return table.of_run(rows, key(run, images)) & measured


def commit(rows: pd.DataFrame, by_identity: Runs, images: Images) -> pd.DataFrame:
    """Return the rows with today's identity for each run that has one of older code."""
    rows, digest = rows.copy(), images.digest[:12]
    for identity, run in by_identity.items():
        same = table.of_run(rows, key(run, images))
        if not held(rows, run, images).equals(same):
            raise PipelineError(f"{run.name} was measured on fewer sets; --renew trains it anew")
        if not rows["data"][same].fillna(digest).eq(digest).all():
            raise PipelineError(f"{run.name} was trained on other images than {PNG} holds")
        if not rows["recipe"][same].fillna(run.digest).eq(run.digest).all():
            raise PipelineError(f"{run.name} was trained by another recipe; --renew trains it anew")
        rows.loc[same, ["identity", "data", "recipe"]] = identity, digest, run.digest
    return rows


if __name__ == "__main__":
    run_stage("study", main)
