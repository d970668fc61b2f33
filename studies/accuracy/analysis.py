"""What was tried on dev, and what the chosen recipes reach on MNIST's own test images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.data.dataset import Images
from digits.evaluation import figures, metrics, statistics
from studies import analysis
from studies.analysis import Findings, as_markdown, estimate, interval, mean_and_std, percent
from studies.images import LABEL_ERRORS, read_images
from studies.study import Study

DEV = 10_000  # images, of MNIST's 60,000 for training, that choose
MEASURED = ("dev_accuracy", "dev_loss", "dev_tta_accuracy", "dev_tta_loss")
TRAINING = 3  # times the work of a prediction: forward, and back for activations and weights


def analyse(study: Study, table: pd.DataFrame, folder: Path) -> Findings:
    """Describe what was tried, and the chosen recipes: settings that are measured on test."""
    images = read_images(study.dataset, table)
    tests = np.flatnonzero(images.sources == 1)
    labels = images.labels[tests]
    described, ensembles, tta = {}, {}, {}
    for name, setting in study.settings.items():
        kind, recipe = setting.sets[0] if setting.sets else "", str(setting.base)
        if kind.startswith("test"):
            seeds = table["seed"][table["setting"] == name]
            paths = [folder / f"runs/{name}-all-{seed}.npz" for seed in seeds]
            each = np.stack([analysis.probabilities(path, kind, len(labels)) for path in paths])
            described[name] = describe(each, labels, recipe)
            ensembles[name], tta[recipe] = each.mean(axis=0), kind.endswith("_tta")
    tried = describe_tried(table[~table["setting"].isin(described)])
    best = max(described, key=lambda name: described[name]["single"]["mean"])
    return Findings(
        {"tried": tried, "chosen": described},
        {"tables.md": markdown(tried, described)},
        {
            "tried.png": draw_tried(tried, tta),
            "misclassified.png": draw_misclassified(images, tests, ensembles[best], study.shown),
        },
    )


def describe_tried(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return what each recipe reached on dev: means over its seeds, in the order of the recipes."""
    by_recipe = table.groupby("setting", sort=False)
    found = by_recipe[["epochs", "parameters", "macs", "images"]].first().astype(int)
    work = TRAINING * found["macs"] * found["epochs"] * found["images"] / 1e12
    found = found[["epochs", "parameters"]].assign(seeds=by_recipe.size(), work=work.round(1))
    found = found.join(by_recipe[[*MEASURED]].mean().round(6))
    return found.reset_index(names="recipe").to_dict("records")


def describe(
    probabilities: NDArray[np.float64], labels: NDArray[np.uint8], recipe: str
) -> dict[str, Any]:
    """Return the accuracies on test, of single networks and of their ensemble.

    ``probabilities`` are (networks, n, 10), of networks that one ``recipe`` trained, labels (n,).
    Intervals are of 95 %: of the mean of the single ones, and Wilson's of the ensemble's accuracy.
    """
    correct = probabilities.argmax(axis=2) == labels
    together = probabilities.mean(axis=0).argmax(axis=1) == labels
    sound = ~np.isin(np.arange(len(labels)), LABEL_ERRORS)
    return {
        "recipe": recipe,
        "single": {
            **analysis.mean_and_interval(pd.Series(correct.mean(axis=1))),
            "accuracies": correct.mean(axis=1).round(6).tolist(),
            "without_label_errors": round(float(correct[:, sound].mean()), 6),
        },
        "ensemble": {
            "networks": len(probabilities),
            **analysis.share("accuracy", int(together.sum()), len(labels)),
            "misclassified": int((~together).sum()),
            "label_errors_among_them": int((~together & ~sound).sum()),
            "without_label_errors": round(float(together[sound].mean()), 6),
        },
    }


def markdown(tried: list[dict[str, Any]], chosen: Mapping[str, Any]) -> str:
    """Write the tables: of what was chosen, on test; of what was tried, on dev."""
    tests = [
        {
            "": purpose,
            "recipe": one["recipe"],
            "seeds": ensemble["networks"],
            "single, %": f"{mean_and_std(single)} {interval(single)}",
            "without label errors, %": percent(single["without_label_errors"]),
            "ensemble, %": estimate(ensemble, key="accuracy"),
            "misclassified": f"{ensemble['misclassified']}, "
            f"{ensemble['label_errors_among_them']} of them label errors",
        }
        for purpose, one in chosen.items()
        for single, ensemble in [(one["single"], one["ensemble"])]
    ]
    tries = [
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
    ]
    left = ["", "recipe", "misclassified"]
    return f"{as_markdown(tests, left)}\n\n{as_markdown(tries, left)}"


def draw_tried(tried: list[dict[str, Any]], tta: Mapping[str, bool]) -> Figure:
    """Show each recipe's error on dev without and with TTA; ``tta``: how chosen ones are used."""
    figure, panels = figures.rows([one["recipe"] for one in tried], 9, 0.4, 1.2, 2, sharex=True)
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
    best = min(tried, key=lambda one: 1 - max(one["dev_accuracy"], one["dev_tta_accuracy"]))
    figure.suptitle(f"Fewest errors on dev: {best['recipe']} (one seed each)", fontsize=11)
    figure.supxlabel(f"{DEV:,} dev images, 95 % intervals; a diamond is chosen", fontsize=9)
    return figure


def draw_misclassified(
    images: Images, tests: NDArray[np.int64], probabilities: NDArray[np.float64], shown: int
) -> Figure:
    """Show the images that an ensemble misclassifies, those it is surest of first."""
    labels, predicted = images.labels[tests], probabilities.argmax(axis=1)
    wrong = metrics.worst_errors(labels, probabilities.astype(np.float32), shown)
    titles = [
        f"test image {number}{'*' if number in LABEL_ERRORS else ''}\nlabel {labels[number]}, "
        f"predicted {predicted[number]} ({100 * probabilities[number].max():.0f} %)"
        for number in wrong
    ]
    figure = figures.images(images.pixels[tests[wrong]], titles)
    count = f"{(predicted != labels).sum()} of {len(tests):,} test images"
    figure.suptitle(f"The ensemble misclassifies {count}\n* label error", fontsize=12)
    return figure
