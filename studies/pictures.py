"""Pictures of a study's summary."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from digits.evaluation import figures

GAPS = {
    "bias": "bias (train error - Bayes error)",
    "variance": "variance (dev error - train error)",
    "test_accuracy": "error on test images",
}
ERRORS = {
    "train_accuracy": "error on the training images",
    "test_accuracy": "error on test images",
}
MARKERS = "osD^vP*X<>h"


def gaps(described: Mapping[str, Any]) -> Figure:
    """Show bias, variance and test error of every setting, with the 95 % intervals of the means.

    One marker for each number of images.
    """
    names = list(dict.fromkeys(one["setting"] for one in described["settings"]))
    figure, panels = figures.rows(names, 10, 0.36, 1.7, len(GAPS))
    for panel, (metric, title) in zip(panels, GAPS.items(), strict=True):
        by_size = _percent(described, metric).groupby("images")
        for number, (size, found) in enumerate(by_size):
            aside = 0.5 * (number - (len(by_size) - 1) / 2) / max(len(by_size), 2)
            places = found["setting"].map(names.index) + aside
            sides, label = found[["below", "above"]].to_numpy().T, f"{size:,} training images"
            means, style = found["mean"].to_numpy(), _style(number, "")
            panel.errorbar(means, places, xerr=sides, label=label, markersize=5, **style)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("% of images" if metric in ERRORS else "percentage points")
        panel.grid(axis="y", alpha=0.15)
        panel.axvline(0, color="black", linewidth=0.8)
    _legend(figure, described)
    return figure


def sizes(described: Mapping[str, Any]) -> Figure:
    """Show the error on training and test images by the number of training images."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, len(ERRORS), sharey=True)
    counts = sorted({one["images"] for one in described["settings"]})
    for panel, (metric, title) in zip(panels, ERRORS.items(), strict=True):
        by_name = _percent(described, metric).groupby("setting", sort=False)
        for number, (name, of_setting) in enumerate(by_name):
            # So that intervals do not hide others.
            aside = 1.04 ** (number - (len(by_name) - 1) / 2)
            found = of_setting.sort_values("images")
            sides = found[["below", "above"]].to_numpy().T
            places, means = found["images"] * aside, found["mean"].to_numpy()
            panel.errorbar(places, means, sides, label=name, **_style(number, "-"))
        panel.set_xscale("log")
        panel.set_xticks(counts, [f"{count:,}" for count in counts])
        panel.minorticks_off()
        panel.set(title=title, xlabel="training images (logarithmic)")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("% of images")
    panels[0].set_ylim(bottom=0)
    _legend(figure, described)
    return figure


def _percent(described: Mapping[str, Any], metric: str) -> pd.DataFrame:
    """Return setting, images, mean and the interval's sides, 0 of one seed, all in %."""
    table = pd.json_normalize(described["settings"])
    shares = (table[f"{metric}.{name}"].astype(float) for name in ("mean", "low", "high"))
    mean, low, high = (100 * share for share in shares)
    if metric in ERRORS:
        mean, low, high = 100 - mean, 100 - high, 100 - low
    sides = {"below": (mean - low).fillna(0), "above": (high - mean).fillna(0)}
    return table[["setting", "images"]].assign(mean=mean, **sides)


def _style(number: int, line: str) -> dict[str, Any]:
    marker, colour = MARKERS[number % len(MARKERS)], figures.COLOURS[number % len(figures.COLOURS)]
    return {"fmt": f"{marker}{line}", "color": colour, "capsize": 3}


def _legend(figure: Figure, described: Mapping[str, Any]) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    counts = sorted({one["seeds"] for one in described["settings"]})
    seeds = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    figure.suptitle(f"Means of {seeds} seeds, with their 95 % intervals", fontsize=11)
