"""What was tried on dev, and what the chosen recipes reach on MNIST's own test images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.data.dataset import Images
from digits.evaluation import figures, statistics
from studies import analysis
from studies.analysis import Findings, interval, percent
from studies.images import TESTING, read_images
from studies.label_errors import LABEL_ERRORS
from studies.study import Study

DEV = 10_000  # images, of MNIST's 60,000 for training, that choose
TRAINING = 3  # times the work of a prediction: forward, and back for activations and weights


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Describe what was tried, and the chosen recipes: settings that are measured on test."""
    images = read_images(study.dataset, table)
    testing = np.flatnonzero(images.sources == TESTING)
    labels = images.labels[testing]
    chosen = {
        name: (str(setting.base), str(setting.sets[0]))  # the recipe, and the set it is measured on
        for name, setting in study.settings.items()
        if setting.sets and setting.sets[0].startswith("test")
    }
    tried = describe_tried(table[~table["setting"].isin(chosen)])
    probabilities = {
        name: read_runs(table[table["setting"] == name], folder, measured, len(labels))
        for name, (_, measured) in chosen.items()
    }
    described = {
        name: describe(probabilities[name], labels, recipe) for name, (recipe, _) in chosen.items()
    }
    tta = {recipe: measured.endswith("_tta") for recipe, measured in chosen.values()}
    best = max(described, key=lambda name: described[name]["single"]["mean"])
    mean = probabilities[best].mean(axis=0)
    return Findings(
        {"tried": tried, "chosen": described},
        {"tables.md": markdown(tried, described)},
        {
            "tried.png": draw_tried(tried, tta),
            "misclassified.png": draw_misclassified(images, testing, mean, study.shown),
        },
    )


def describe_tried(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what each recipe reached on dev: means over its seeds, in the order of the recipes."""
    found = []
    for name, rows in table.groupby("setting", sort=False):
        first = rows.iloc[0]
        work = TRAINING * first["macs"] * first["epochs"] * first["images"] / 1e12
        sets = ("dev", "dev_tta")
        found.append(
            {
                "recipe": name,
                "seeds": len(rows),
                **{
                    f"{one}_{kind}": round(float(rows[f"{one}_{kind}"].mean()), 6)
                    for one in sets
                    for kind in ("accuracy", "loss")
                },
                "epochs": int(first["epochs"]),
                "parameters": int(first["parameters"]),
                "work": round(float(work), 1),
            }
        )
    return found


def read_runs(table: pd.DataFrame, folder: Path, name: str, count: int) -> NDArray[np.float64]:
    """Return the probabilities on a set of each seed that was trained, (seeds, count, 10)."""
    return np.stack(
        [
            analysis.probabilities(folder / f"runs/{row.setting}-all-{row.seed}.npz", name, count)
            for row in table.itertuples()
        ]
    )


def describe(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], recipe: str
) -> dict[str, Any]:
    """Return the accuracies on test, of single networks and of their ensemble.

    Args:
        probabilities: (networks, n, 10).
        labels: (n,).
        recipe: they were trained by.

    Returns:
        recipe; ``single``: mean, std and the mean's 95 % interval, the accuracies by seed, and the
        mean without the label errors; ``ensemble``: of the mean probabilities, accuracy, Wilson's
        95 % interval, the number misclassified, how many of these are label errors, and the
        accuracy without these.
    """
    correct = probabilities.argmax(axis=2) == labels
    together = probabilities.mean(axis=0).argmax(axis=1) == labels
    sound = np.ones(len(labels), bool)
    sound[[number for number in LABEL_ERRORS if number < len(labels)]] = False
    low, high = statistics.wilson_interval(int(together.sum()), len(labels))
    return {
        "recipe": recipe,
        "single": {
            **analysis.mean_and_interval(correct.mean(axis=1)),
            "accuracies": correct.mean(axis=1).round(6).tolist(),
            "without_label_errors": round(float(correct[:, sound].mean()), 6),
        },
        "ensemble": {
            "networks": len(probabilities),
            "accuracy": round(float(together.mean()), 6),
            "low": round(low, 6),
            "high": round(high, 6),
            "misclassified": int((~together).sum()),
            "label_errors_among_them": int((~together & ~sound).sum()),
            "without_label_errors": round(float(together[sound].mean()), 6),
        },
    }


def markdown(tried: list[dict[str, Any]], chosen: Mapping[str, Any]) -> str:
    """Write the tables: of what was chosen, on test; of what was tried, on dev."""
    tests = pd.DataFrame(
        {
            "": purpose,
            "recipe": one["recipe"],
            "seeds": one["ensemble"]["networks"],
            "single, %": f"{analysis.mean_and_std(one['single'])} {interval(one['single'])}",
            "without label errors, %": percent(one["single"]["without_label_errors"]),
            "ensemble, %": f"{percent(one['ensemble']['accuracy'])} {interval(one['ensemble'])}",
            "misclassified": f"{one['ensemble']['misclassified']}, "
            f"{one['ensemble']['label_errors_among_them']} of them label errors",
        }
        for purpose, one in chosen.items()
    )
    tries = pd.DataFrame(
        {
            "recipe": one["recipe"],
            "dev, %": percent(one["dev_accuracy"]),
            "dev loss": f"{one['dev_loss']:.4f}",
            "dev with TTA, %": percent(one["dev_tta_accuracy"]),
            "dev loss with TTA": f"{one['dev_tta_loss']:.4f}",
            "seeds": one["seeds"],
            "epochs": one["epochs"],
            "parameters": f"{one['parameters']:,}",
            "MACs, 10^12": f"{one['work']:,.0f}",
        }
        for one in tried
    )
    left = ["", "recipe", "misclassified"]
    return f"{analysis.as_markdown(tests, left)}\n\n{analysis.as_markdown(tries, left)}"


def draw_tried(tried: list[dict[str, Any]], tta: Mapping[str, bool]) -> Figure:
    """Show each recipe's error on dev without and with TTA; ``tta``: how chosen ones are used."""
    figure = Figure(figsize=(9, 0.4 * len(tried) + 1.2), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    kinds = ("without", "dev_accuracy", False), ("with", "dev_tta_accuracy", True)
    for panel, (title, key, with_tta) in zip(panels, kinds, strict=True):
        for row, one in enumerate(tried):
            accuracy = one[key]
            low, high = statistics.wilson_interval(round(accuracy * DEV), DEV)
            chosen = tta.get(one["recipe"]) == with_tta
            panel.errorbar(
                100 * (1 - accuracy),
                row,
                xerr=[[100 * (high - accuracy)], [100 * (accuracy - low)]],
                fmt="D" if chosen else "o",
                color=figures.COLOURS[int(chosen)],
                capsize=3,
            )
        panel.set(title=f"{title} test-time augmentation", xlabel="error on dev, %")
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(tried)), [one["recipe"] for one in tried])
    panels[0].set_ylim(len(tried) - 0.5, -0.5)
    figure.supxlabel(f"{DEV:,} dev images, 95 % intervals; a diamond is chosen", fontsize=9)
    return figure


def draw_misclassified(
    images: Images, testing: NDArray[np.int64], probabilities: NDArray[np.float64], shown: int
) -> Figure:
    """Show the images that an ensemble misclassifies, those it is surest of first."""
    predicted = probabilities.argmax(axis=1)
    labels = images.labels[testing]
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:shown]
    titles = [
        f"label {labels[number]}{'*' if number in LABEL_ERRORS else ''}\n"
        f"{predicted[number]}? {probabilities[number, predicted[number]]:.0%}"
        for number in wrong
    ]
    return figures.images(images.pixels[testing[wrong]], titles)
