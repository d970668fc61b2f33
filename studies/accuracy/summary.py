"""Put the study together: what was tried on dev, and what the chosen recipes reach on test.

Reads studies/accuracy/tried/ and studies/accuracy/runs/. Writes studies/accuracy/summary.json and
the pictures tried.png and misread.png there, and brings the tables in docs/accuracy.md up to date.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.errors import PipelineError, run_stage
from digits.evaluation import figures, statistics
from digits.io import read_json, write_json
from studies import jobs, workspace
from studies.accuracy import recipes
from studies.accuracy.run import RUNS
from studies.accuracy.trying import TRIED
from studies.label_errors import LABEL_ERRORS
from studies.summary import percent, spread

STUDY = Path("studies/accuracy")
PAGE = Path("docs/accuracy.md")
SHOWN = 30  # misread images


def main() -> None:
    """Read all results, and write what they say."""
    argparse.ArgumentParser(
        prog="python -m studies.accuracy.summary", description=__doc__
    ).parse_args()
    study = recipes.load()
    images = workspace.read_images()
    testing = np.flatnonzero(images.sources == recipes.TESTING)
    labels = images.labels[testing]
    tried = read_tried(study)
    chosen = {
        purpose: describe(read_runs(recipe, study.seeds, len(labels)), labels, recipe)
        for purpose, recipe in study.chosen.items()
    }
    write_json(STUDY / "summary.json", {"tried": tried, "chosen": chosen})
    figures.save(STUDY / "tried.png", draw_tried(tried, study))
    best = max(
        (one for one in tried if one["recipe"] in study.chosen.values()),
        key=lambda one: dev_accuracy(one, study),
    )
    mean = read_runs(best["recipe"], study.seeds, len(labels)).mean(axis=0)
    figures.save(STUDY / "misread.png", draw_misread(images, testing, mean))
    tables = markdown(tried, chosen)
    workspace.put_into_page(PAGE, tables, f"dvc repro {STUDY}/dvc.yaml")
    print(f"{tables}\n\n{STUDY}: wrote summary.json, tried.png, misread.png")


def read_tried(study: recipes.Study) -> list[dict[str, Any]]:
    """Return what each recipe reached on dev: means over its seeds, in the order of the recipes.

    Raises:
        PipelineError: a recipe was not tried.
    """
    found = []
    for name in study.recipes:
        results = [read_json(path) for path in sorted(TRIED.glob(f"{name}-[0-9]*.json"))]
        if not results:
            raise PipelineError(
                f"{TRIED} has nothing of {name}; `dvc repro {STUDY}/dvc.yaml` tries it"
            )
        table = pd.json_normalize(results, sep="_")
        measured = ("accuracy", "loss", "moved_accuracy", "moved_loss")
        found.append(
            {
                "recipe": name,
                "seeds": len(table),
                **{key: round(float(table[key].mean()), 6) for key in measured},
                **{key: table[key].iloc[0].item() for key in ("epochs", "parameters", "work")},
            }
        )
    return found


def dev_accuracy(one: Mapping[str, Any], study: recipes.Study) -> float:
    """Return what a tried recipe reached on dev, images moved as it has them moved."""
    accuracy: float = one["moved_accuracy" if study.shifts(one["recipe"]) else "accuracy"]
    return accuracy


def read_runs(recipe: str, seeds: list[int], count: int) -> NDArray[np.float64]:
    """Return the probabilities of each seed that was trained, (seeds, count, 10).

    Raises:
        PipelineError: a file is damaged, or none is there.
    """
    runs = []
    for path in filter(Path.exists, (RUNS / f"{recipe}-{seed}.npz" for seed in seeds)):
        try:
            with np.load(path, allow_pickle=False) as content:
                logarithms = content["log_probabilities"].astype(np.float64)
        except (ValueError, KeyError, EOFError, OSError) as error:
            raise PipelineError(f"{path} cannot be read: {error}") from None
        if logarithms.shape != (count, 10):
            raise PipelineError(f"{path}: expected ({count}, 10), found {logarithms.shape}")
        runs.append(np.exp(logarithms))
    if not runs:
        raise PipelineError(
            f"{RUNS} has nothing of {recipe}; `dvc repro {STUDY}/dvc.yaml` trains it"
        )
    return np.stack(runs)


def describe(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], recipe: str
) -> dict[str, Any]:
    """Return the accuracies on test, of single networks and of their ensemble.

    Args:
        probabilities: (networks, n, 10).
        labels: (n,).
        recipe: they were trained by.

    Returns:
        recipe; ``single``: mean, deviation and the mean's 95 % interval, the accuracies by seed,
        and the mean without the label errors; ``ensemble``: of the mean probabilities, accuracy,
        Wilson's 95 % interval, the number misread, how many of these are label errors, and the
        accuracy without these.
    """
    right = probabilities.argmax(axis=2) == labels
    together = probabilities.mean(axis=0).argmax(axis=1) == labels
    sound = np.ones(len(labels), bool)
    sound[[number for number in LABEL_ERRORS if number < len(labels)]] = False
    low, high = statistics.wilson_interval(int(together.sum()), len(labels))
    return {
        "recipe": recipe,
        "single": {
            **spread(right.mean(axis=1)),
            "accuracies": right.mean(axis=1).round(6).tolist(),
            "without_label_errors": round(float(right[:, sound].mean()), 6),
        },
        "ensemble": {
            "networks": len(probabilities),
            "accuracy": round(float(together.mean()), 6),
            "low": round(low, 6),
            "high": round(high, 6),
            "misread": int((~together).sum()),
            "label_errors_among_them": int((~together & ~sound).sum()),
            "without_label_errors": round(float(together[sound].mean()), 6),
        },
    }


def markdown(tried: list[dict[str, Any]], chosen: Mapping[str, Any]) -> str:
    """Write the tables: of what was chosen, on test; of what was tried, on dev."""
    rows = []
    for purpose, one in chosen.items():
        single, ensemble = one["single"], one["ensemble"]
        rows.append(
            {
                "": purpose,
                "recipe": one["recipe"],
                "seeds": ensemble["networks"],
                "single, %": f"{percent(single['mean'])} ± {percent(single['deviation'])} "
                f"[{percent(single['low'])}, {percent(single['high'])}]",
                "without label errors, %": percent(single["without_label_errors"]),
                "ensemble, %": f"{percent(ensemble['accuracy'])} "
                f"[{percent(ensemble['low'])}, {percent(ensemble['high'])}]",
                "misread": f"{ensemble['misread']}, "
                f"{ensemble['label_errors_among_them']} of them label errors",
            }
        )
    tests = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    tries = pd.DataFrame(
        [
            {
                "recipe": one["recipe"],
                "dev, %": percent(one["accuracy"]),
                "dev loss": f"{one['loss']:.4f}",
                "dev moved, %": percent(one["moved_accuracy"]),
                "dev moved, loss": f"{one['moved_loss']:.4f}",
                "seeds": one["seeds"],
                "epochs": one["epochs"],
                "parameters": f"{one['parameters']:,}",
                "work": f"{one['work']:,.0f}",
            }
            for one in tried
        ]
    ).to_markdown(index=False, disable_numparse=True, colalign=["left"] + 8 * ["right"])
    return f"{tests}\n\n{tries}"


def draw_tried(tried: list[dict[str, Any]], study: recipes.Study) -> Figure:
    """Show each recipe's error on dev, with Wilson's interval of so many images."""
    figure = Figure(figsize=(7, 0.35 * len(tried) + 1), layout="constrained")
    axes = figure.subplots()
    for row, one in enumerate(tried):
        accuracy = dev_accuracy(one, study)
        low, high = statistics.wilson_interval(round(accuracy * study.dev), study.dev)
        chosen = one["recipe"] in study.chosen.values()
        axes.errorbar(
            100 * (1 - accuracy),
            row,
            xerr=[[100 * (high - accuracy)], [100 * (accuracy - low)]],
            fmt="D" if chosen else "o",
            color=figures.COLOURS[int(chosen)],
            capsize=3,
        )
    axes.set(
        xlabel="error on dev, % (95 % interval); a diamond is chosen",
        yticks=range(len(tried)),
        yticklabels=[one["recipe"] for one in tried],
        ylim=(len(tried) - 0.5, -0.5),
    )
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_misread(
    images: jobs.Images, testing: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Figure:
    """Show the images that an ensemble misreads, those it is surest of first."""
    read = probabilities.argmax(axis=1)
    labels = images.labels[testing]
    wrong = np.flatnonzero(read != labels)
    wrong = wrong[np.argsort(-probabilities[wrong, read[wrong]])][:SHOWN]
    titles = [
        f"label {labels[number]}{'*' if number in LABEL_ERRORS else ''}\n"
        f"{read[number]}? {probabilities[number, read[number]]:.0%}"
        for number in wrong
    ]
    return figures.images(images.pixels[testing[wrong]], titles)


if __name__ == "__main__":
    run_stage("accuracy", main)
