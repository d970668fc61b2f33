r"""Compare experiments that DVC recorded, with statistics: python -m studies.experiments.

Experiments that differ in ``seed`` alone are one setting. Prints mean ± SD of each setting, and its
difference to the base, paired by seed, with the 95 % interval and Holm's correction. To make some:

    dvc exp run --queue --name l2 evaluate@lenet5_v2 \
        -S architectures.lenet5_v2.l2=0,0.1 -S 'seed=range(1,6)'
    dvc queue start -j 2

DVC calls them l2-1, l2-2 and so on: python -m studies.experiments 'l2-*'.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from digits.errors import PipelineError, command_line, run_stage
from digits.evaluation import figures
from digits.io import read_json, write_csv
from studies import analysis, pictures

SEED = "seed"
ENTRY = "architectures."
RESPLIT = Path("metrics/resplit.json")
DATA = ("data/split.csv", "data/standardized")


class Experiment(NamedTuple):
    """What DVC recorded: parameters by dotted key, metrics by file, hashes of the data by path."""

    name: str
    params: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    data: dict[str, str]


def main() -> None:
    """Compare the experiments of the last commit."""
    parser = command_line("studies.experiments", __doc__)
    what = "of experiments, or patterns such as 'l2-*' (all of the last commit)"
    parser.add_argument("names", nargs="*", help=what)
    parser.add_argument("--base", help="the setting to compare with, as printed (the first)")
    parser.add_argument("--architecture", help="whose metrics (the one whose parameters differ)")
    parser.add_argument("--csv", type=Path, help="write the differences to this file")
    parser.add_argument("--picture", type=Path, help="write a PNG to this file")
    arguments = parser.parse_args()
    experiments = read(arguments.names)
    changed = differing(experiments)
    architecture = arguments.architecture or architecture_of(changed)
    images = read_json(RESPLIT)["images"]["train"]
    table = tabulate(experiments, changed, architecture, images)
    settings = list(table["setting"].unique())
    base = arguments.base or settings[0]
    if base not in settings:
        known = "; ".join(settings)
        raise PipelineError(f"--base: expected one of: {known}; given {base}")
    described = analysis.describe(table, [(one, base) for one in settings if one != base])
    print(analysis.markdown(described))
    for warning in warnings(table, experiments, changed):
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.csv:
        write_csv(arguments.csv, pd.DataFrame(described["differences"]))
    if arguments.picture:
        figures.save(arguments.picture, pictures.gaps(described))


def read(names: Sequence[str]) -> list[Experiment]:
    """Return the finished experiments of the last commit, or those named; two or more."""
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"dvc exp show: {done.stderr.strip()}")
    found = finished(json.loads(done.stdout))
    for name in names:
        if not any(fnmatch(one.name, name) for one in found):
            raise PipelineError(f"no finished experiment is called {name}")
    chosen = [one for one in found if any(fnmatch(one.name, name) for name in names or ["*"])]
    if len(chosen) < 2:
        raise PipelineError(f"expected two finished experiments or more, found {len(chosen)}")
    return sorted(chosen, key=lambda one: one.name)


def finished(commits: Sequence[dict[str, Any]]) -> list[Experiment]:
    """Return the experiments in what ``dvc exp show --json`` shows that neither failed nor run."""
    entries = itertools.chain(*(commit.get("experiments") or [] for commit in commits))
    ended = [one for one in entries if (one["executor"] or {}).get("state") in (None, "success")]
    found = []
    for state in (one["revs"][0] for one in ended):
        content = state["data"] or {}
        if "metrics" in content:
            params = pd.json_normalize(content["params"]["params.yaml"]["data"]).iloc[0]
            metrics = {Path(path).stem: one["data"] for path, one in content["metrics"].items()}
            deps = {path: one["hash"] for path, one in content["deps"].items() if path in DATA}
            name = state["name"] or state["rev"][:7]
            by_key = {str(key): value for key, value in params.items()}
            found.append(Experiment(name, by_key, metrics, deps))
    return found


def differing(experiments: Sequence[Experiment]) -> list[str]:
    """Return the keys, but the seed, that do not have one value in all experiments."""
    keys = dict.fromkeys(key for one in experiments for key in one.params if key != SEED)
    return [key for key in keys if len({repr(one.params.get(key)) for one in experiments}) > 1]


def architecture_of(changed: Sequence[str]) -> str:
    """Return the one architecture whose parameters differ."""
    names = {key.removeprefix(ENTRY).split(".")[0] for key in changed if key.startswith(ENTRY)}
    if len(names) != 1:
        raise PipelineError(
            f"expected one architecture whose parameters differ, found {sorted(names)}; "
            "--architecture says whose metrics to compare"
        )
    return names.pop()


def tabulate(
    experiments: Sequence[Experiment], changed: Sequence[str], architecture: str, images: int
) -> pd.DataFrame:
    """Return a row for each experiment: setting, seed, and the measures of a study's table.

    All learned as many ``images``. Of two with one setting and seed, the first by name counts.
    """
    rows = []
    for one in experiments:
        if architecture not in one.metrics:
            raise PipelineError(f"{one.name} has no metrics/{architecture}.json")
        own = f"{ENTRY}{architecture}."
        shown = [f"{key.removeprefix(own)}={one.params.get(key)}" for key in changed]
        row = {"setting": ", ".join(shown) or "all", "images": images, SEED: one.params[SEED]}
        measured = one.metrics[architecture]
        row |= {f"{name}_accuracy": measured[name] for name in ("train", "dev", "test")}
        gaps = {"test_variance": measured["train"] - measured["test"]}
        rows.append(row | {name: measured[name] for name in ("bias", "variance")} | gaps)
    table = pd.DataFrame(rows).sort_values(["setting", SEED], ignore_index=True)
    return table.drop_duplicates(["setting", SEED], ignore_index=True)


def warnings(
    table: pd.DataFrame, experiments: Sequence[Experiment], changed: Sequence[str]
) -> list[str]:
    """Return what speaks against the comparison."""
    seeds = table.groupby("setting", sort=False)[SEED].agg(set)
    found = [
        f"{setting} has one seed, so no interval; add seeds: -S 'seed=range(1,6)'"
        for setting, own in seeds.items()
        if len(own) == 1
    ]
    if other := [key for key in changed if not key.startswith(ENTRY)]:
        found.append(f"more than a recipe differs: {', '.join(other)}")
    if len({tuple(sorted(one.data.items())) for one in experiments}) > 1:
        found.append("the experiments were trained on different data")
    if shared := set.union(*seeds) - set.intersection(*seeds):
        listed = ", ".join(map(str, sorted(shared)))
        found.append(f"differences are paired by seed; not every setting has seed {listed}")
    return found


if __name__ == "__main__":
    run_stage("experiments", main)
