"""Show that a change leaves every number as it is: python -m bench.same BASE.

Trains every architecture of params.yaml and every setting of a study for two short epochs on
scikit-learn's digits, with the code of the revision BASE and with that of this folder, each by its
own parameters. Compares the files that dvc.lock hashes, networks, curves and predictions, byte for
byte. Minutes, on two CPU cores. Exit status 1: something differs.
"""

import hashlib
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from sklearn.datasets import load_digits
from tqdm import tqdm

from bench import measuring
from digits import config
from digits.data import idx
from digits.errors import PipelineError, run_stage
from digits.git import git
from digits.io import read_json, write_json
from studies import study
from studies.images import read_images

LONG = "long"  # a training of more images than are read and drawn at once
WRITTEN = {  # by the train stage
    "file": "models/{}/model.keras",
    "curves": "plots/train/{}.csv",
    "probabilities": "data/predictions/{}.npz",
}


def main() -> None:
    """Compare this folder with the revision named on the command line."""
    parser = measuring.parser("same", __doc__)
    parser.add_argument("base", help="a revision of git; or, with --probe, a new folder")
    parser.add_argument("--only", nargs="*", help="these cases alone")
    parser.add_argument("--probe", action="store_true", help="train with this folder's code alone")
    arguments = parser.parse_args()
    if arguments.probe:
        probe(Path(arguments.base).absolute(), arguments.only)
        return
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree), arguments.base)
        try:
            before, now = side_by_side(tree, Path(name), arguments.only)
        finally:
            git("worktree", "remove", "--force", str(tree))
    report(before, now)


def side_by_side(base: Path, folder: Path, only: list[str] | None) -> list[dict[str, Any]]:
    """Return what the code of ``base`` computes and what this one does, by case and kind.

    Raises:
        PipelineError: one of them failed.
    """
    running = []
    for name, tree in (("base", base), ("now", measuring.ROOT)):
        command = [sys.executable, "-m", "bench.same", "--probe", str(folder / name)]
        command += ["--only", *only] if only else []
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}  # the bars of the stages
        environment = os.environ | quiet | {"PYTHONPATH": str(tree)}
        running.append(
            subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
        )
    codes = [process.wait() for process in running]
    if any(codes):
        raise PipelineError("a revision failed; see above")
    return [read_json(folder / name / "found.json") for name in ("base", "now")]


def report(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Print what is equal. What only one of two versions of this program compares may differ.

    Raises:
        PipelineError: something differs, or a case is missing.
    """
    old, new = pd.DataFrame(before).T.align(pd.DataFrame(now).T)
    table = pd.DataFrame("DIFFERS", old.index, old.columns).mask(old == new, "equal")
    table = table.mask(old.isna(), "new").mask(new.isna(), "only before")
    print(table.mask(old.isna() & new.isna(), "").to_markdown())
    wrong = table.index[(table == "DIFFERS").any(axis=1) | new.isna().all(axis=1)]
    if len(wrong):
        raise PipelineError(f"not the same: {', '.join(wrong)}")
    print(f"{len(table)} cases, all the same")


def probe(folder: Path, only: list[str] | None) -> None:
    """Train all cases with the code beside this file; write the digests as found.json."""
    recipes = short_recipes()
    changes = {"dataset": "optdigits", "threads": 1, "split.train": 640, "split.test": 0.4}
    changes |= {"export.largest_drop": 1, "export.calibration_images": 100}
    params = config.override(config.read_yaml(config.PATH), changes, "same")
    long = {LONG: recipes["dense"] | {"augment": recipes["lenet5_pen"]["augment"]}}
    go_to(folder / "work", params | {"architectures": recipes}, repeats=1)
    found = trained(recipes, only, folder.name)
    if "lenet5_pen" in found:
        run("evaluate", "lenet5_pen")
        run("export", "lenet5_pen")
        files = sorted(Path("models").rglob("*.tflite"))
        found["export"] = {"file": [digest(file.read_bytes()) for file in files]}
    if not only:
        found |= studies(folder)
    params = config.override(params, {"split.train": 9000, "split.test": 500}, "same")
    go_to(folder / "work6", params | {"architectures": recipes | long}, repeats=6)
    found |= trained(long, only, folder.name)
    write_json(folder / "found.json", found)


def short_recipes() -> dict[str, Any]:
    """Return the recipe of each architecture, and of each setting of a study unlike all others.

    They have two epochs, or one a phase, of few images a batch.
    """
    recipes = dict(config.load().architectures)
    for name in sorted(path.parent.name for path in study.STUDIES.glob("*/study.yaml")):
        for setting, _, recipe in study.recipes(study.read(name), name):
            recipes[f"{name}_{setting}"] = recipe
    found: dict[str, Any] = {}
    for name, recipe in recipes.items():
        entry = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
        entry |= {"batch_size": 32} if "phases" in entry else {"batch_size": 32, "epochs": 2}
        for phase in entry.get("phases", {}).values():
            phase["epochs"] = 1
        entry["letters"] |= {"images": 300, "epochs": 1, "batch_size": 32}
        entry["range_test"] |= {"batches": 20, "lowest": 1e-4}
        if entry not in found.values():
            found[name] = entry
    return found


def go_to(folder: Path, params: Any, repeats: int) -> None:
    """Work in a new folder with scikit-learn's digits so many times over, standardized."""
    bunch = load_digits()
    grey = (bunch.images * 255 / 16).round().astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    images = np.tile(np.pad(grey, ((0, 0), (6, 6), (6, 6))), (repeats, 1, 1))
    labels = np.tile(bunch.target.astype(np.uint8), repeats)
    idx.write_dataset(folder / "data/raw", images, labels, testing=297)
    YAML().dump(params, folder / config.PATH)
    os.chdir(folder)
    for stage in ("convert", "resplit", "standardize"):
        run(stage)


def run(stage: str, *arguments: str) -> None:
    """Run a stage in this process, as ``python -m`` would."""
    sys.argv = [f"stages.{stage}", *arguments]
    runpy.run_module(f"stages.{stage}", run_name="__main__")


def trained(recipes: dict[str, Any], only: list[str] | None, what: str) -> dict[str, Any]:
    """Run the train stage for architectures; return digests of what it wrote, by kind."""
    found: dict[str, Any] = {}
    names = [name for name in recipes if not only or name in only]
    for name in tqdm(names, what, disable=False):
        run("train", name)
        paths = {kind: Path(path.format(name)) for kind, path in WRITTEN.items()}
        found[name] = {kind: digest(path.read_bytes()) for kind, path in paths.items()}
    return found


def studies(folder: Path) -> dict[str, Any]:
    """Return digests of what two runs of studies measure: of a split, and of a fold."""
    from studies.runs import Run  # imports TensorFlow, which not every process here needs

    images, values = read_images("optdigits"), config.load()
    recipe = values.architectures["lenet5_v1"]
    constant = recipe.model_copy(update={"schedule": config.Constant()})
    how: Any = {"split": values.split, "seed": 3, "threads": 1, "small": None, "keep": "correct"}
    sets = ("train", "dev", "test")
    split = Run("run", recipe, images=200, fold=None, folds=None, sets=sets, **how)
    fold = Run("fold", constant, images=None, fold=1, folds=4, sets=("test",), **how)
    rows = {run.setting: run.execute(images, folder / run.setting) for run in (split, fold)}
    return {f"study_{name}": {"row": digest(repr(row).encode())} for name, row in rows.items()}


def digest(content: bytes) -> str:
    """Return the beginning of the SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    run_stage("same", main)
