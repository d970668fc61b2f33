"""Show that a change leaves every number as it is: python -m bench.same BASE.

Trains every architecture of params.yaml, and every setting of a study that differs from these, for
two short epochs on scikit-learn's digits. So do the code of the revision BASE and that of this
folder, each by its own parameters. Compares the files that dvc.lock hashes, the weights, curves and
predictions byte for byte. Minutes, on two CPU cores. Exit status 1: something differs.
"""

import hashlib
import os
import runpy
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from tqdm import tqdm

from bench import measuring
from digits import config
from digits.commands import git
from digits.data import idx, optdigits
from digits.errors import PipelineError, command_line, run_stage
from digits.io import read_json, write_json

ROOT = measuring.ROOT
LONG = "long"  # a training of more images than are read and drawn at once
SMALL = {"dataset": "optdigits", "threads": 1, "split.train": 640, "split.test": 0.4}
SMALL |= {"export.largest_drop": 1, "export.calibration_images": 100}
DATA = ["convert", "resplit", "standardize"]


def main() -> None:
    """Compare this folder with the revision named on the command line."""
    what = "a revision of git; or, with --probe, a new folder"
    parser = command_line("bench.same", __doc__, base=what)
    parser.add_argument("--only", nargs="*", help="these cases alone")
    parser.add_argument("--probe", action="store_true", help="train with this folder's code alone")
    arguments = parser.parse_args()
    if arguments.probe:
        probe(Path(arguments.base).absolute(), arguments.only)
        return
    with tempfile.TemporaryDirectory() as temporary:
        tree, found = Path(temporary) / "tree", Path(temporary) / "found"
        git("worktree", "add", "--quiet", "--detach", str(tree), arguments.base, cwd=ROOT)
        try:
            before, now = side_by_side([tree, ROOT], found, arguments.only)
        finally:
            git("worktree", "remove", "--force", str(tree), cwd=ROOT)
    report(before, now)


def side_by_side(trees: list[Path], found: Path, only: list[str] | None) -> list[dict[str, Any]]:
    """Return what the code of each tree computes, by case and kind.

    Raises PipelineError if a tree has no such program, or its run failed.
    """
    running = []
    for tree, name in zip(trees, ("base", "now"), strict=True):
        if not (tree / "bench/same.py").is_file():
            raise PipelineError("the revision has no bench/same.py; name a later one")
        folder = found / name
        command = [sys.executable, "-m", "bench.same", "--probe", str(folder)]
        command += ["--only", *only] if only else []
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}  # the bars of the stages
        environment = {**os.environ, **quiet, "PYTHONPATH": str(tree)}
        running.append((folder, subprocess.Popen(command, cwd=tree, env=environment)))  # noqa: S603
    codes = [process.wait() for _, process in running]
    if any(codes):
        raise PipelineError("a revision failed; see above")
    return [read_json(folder / "found.json") for folder, _ in running]


def report(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Print what is equal. Raises PipelineError if not everything is."""
    rows: dict[str, dict[str, str]] = {}
    for case in sorted({*before, *now}):
        old, new = before.get(case, {}), now.get(case, {})
        rows[case] = dict.fromkeys(old, "only before") | dict.fromkeys(new, "new")
        for kind in old.keys() & new.keys():
            rows[case][kind] = "equal" if old[kind] == new[kind] else "DIFFERS"
    table = pd.DataFrame(list(rows.values()), list(rows)).fillna("")
    print(table.to_markdown())
    wrong = table.index[table.isin(["DIFFERS", "only before"]).any(axis=1)]
    if len(wrong):
        raise PipelineError(f"not the same: {', '.join(wrong)}")
    print(f"{len(table)} cases, all the same")


def probe(folder: Path, only: list[str] | None) -> None:
    """Train all cases with the code beside this file; write the digests as found.json."""
    content = config.override(config.read_yaml(ROOT / "params.yaml"), SMALL, "same")
    recipes = content["architectures"]
    for entry in recipes.values():
        shorten(entry)
    recipes |= settings_of_studies(recipes)
    drawn = recipes["dense"] | {"augment": recipes["lenet5_pen"]["augment"]}
    more = {"split.train": 9000, "split.test": 500, f"architectures.{LONG}": drawn}
    cases = [(content, 1, list(recipes)), (config.override(content, more, LONG), 6, [LONG])]
    found: dict[str, Any] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("w") as log, redirect_stdout(log):
        for values, repeats, names in cases:
            work = folder / f"work{repeats}"
            write_raw(work / "data/raw", repeats)
            YAML().dump(values, work / "params.yaml")
            os.chdir(work)
            for stage in DATA:
                run(stage)
            chosen = [name for name in names if not only or name in only]
            for name in tqdm(chosen, desc=folder.name, disable=False):
                found[name] = train(name)
            if "lenet5_pen" in chosen:
                run("evaluate", "lenet5_pen")
                run("export", "lenet5_pen")
                files = sorted(Path("models").rglob("*.tflite"))
                found["export"] = {"file": [digest(file.read_bytes()) for file in files]}
        os.chdir(ROOT)
        if not only:
            found |= studies(folder)
    write_json(folder / "found.json", found)


def shorten(entry: Any) -> None:
    """Give an architecture two epochs, or one a phase, of few images a batch."""
    entry["batch_size"] = 32
    for phase in entry.get("phases", {}).values():
        phase["epochs"] = 1
    if "phases" not in entry:
        entry["epochs"] = 2
    if "letters" in entry:
        entry["letters"].update(images=300, epochs=1, batch_size=32)
    if "suggested" in repr(entry):
        entry["range_test"] = {"batches": 20, "lowest": 1e-4}


def settings_of_studies(recipes: dict[str, Any]) -> dict[str, Any]:
    """Return an architecture for each setting of a study that differs from all before."""
    from studies import study

    os.chdir(ROOT)
    known = [dumped(config.Architecture.model_validate(entry)) for entry in recipes.values()]
    unique: dict[str, Any] = {}
    for name in sorted(path.parent.name for path in study.STUDIES.glob("*/study.yaml")):
        for setting, _, recipe in study.recipes(study.read(name), name):
            if (entry := dumped(recipe)) not in [*known, *unique.values()]:
                unique[f"{name}_{setting}"] = entry
    return unique


def dumped(recipe: config.Architecture) -> Any:
    """Return a recipe with all defaults, shortened."""
    found = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    shorten(found)
    return found


def write_raw(folder: Path, repeats: int) -> None:
    """Write scikit-learn's digits so many times over, as the download stage leaves them."""
    images, labels = (np.concatenate(repeats * [one]) for one in optdigits.read())
    idx.write_dataset(folder, images, labels, testing=297)


def run(stage: str, *arguments: str) -> None:
    """Run a stage in this process, as ``python -m`` would."""
    sys.argv = [f"stages.{stage}", *arguments]
    runpy.run_module(f"stages.{stage}", run_name="__main__", alter_sys=False)


def train(name: str) -> dict[str, Any]:
    """Run the train stage for an architecture; return digests of what it wrote."""
    from digits.evaluation import predict  # the comparison alone needs no TensorFlow

    run("train", name)
    model, curves = Path(f"models/{name}/model.keras"), Path(f"plots/train/{name}.csv")
    with np.load(f"data/predictions/{name}.npz") as content:
        probabilities = content["probabilities"]
    weights = predict.load_network(model).get_weights()
    return {
        "file": digest(model.read_bytes()),
        "weights": digest(*(array.tobytes() for array in weights)),
        "curves": digest(curves.read_bytes()),
        "predictions": digest(probabilities.tobytes()),
    }


def studies(folder: Path) -> dict[str, Any]:
    """Return digests of what two runs of studies measure: of a split, and of a fold."""
    from studies.images import read_images
    from studies.runs import Run

    os.chdir(folder / "work1")
    images, values = read_images("optdigits"), config.load()
    recipe = values.architectures["lenet5_v1"]
    how: Any = {"split": values.split, "seed": 3, "threads": 1, "small": None, "keep": "correct"}
    sets = ("train", "dev", "test")
    split = Run("run", recipe, images=200, fold=None, folds=None, sets=sets, **how)
    constant = recipe.model_copy(update={"schedule": config.Constant()})
    fold = Run("fold", constant, images=None, fold=1, folds=4, sets=("test",), **how)
    found = {}
    for run, decimals in ((split, 6), (fold, 4)):
        (row,) = run.execute(images, folder / run.setting)
        names = [name for name in row if name.endswith(("_accuracy", "_loss"))]
        figures = {name: round(row[name], 6 if "acc" in name else decimals) for name in names}
        if run is split:
            figures |= {name: row[name] for name in ("images", "epochs")}
        found[f"study_{run.setting}"] = {"figures": digest(repr(sorted(figures.items())).encode())}
    return found


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of all parts."""
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


if __name__ == "__main__":
    run_stage("same", main)
