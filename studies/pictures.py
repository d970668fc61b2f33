"""Pictures of a study's summary."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from digits.evaluation.figures import COLOURS

TITLES = {
    "bias": "bias (train error - Bayes error)",
    "variance": "variance (dev error - train error)",
    "test": "error on test images",
}
MARKERS = "osD^vP*X<>h"


def gaps(described: Mapping[str, Any]) -> Figure:
    """Show bias, variance and test error of every setting, with the 95 % intervals of the means.

    One marker for each number of images.
    """
    names = list(dict.fromkeys(one["setting"] for one in described["settings"]))
    sizes = sorted({one["images"] for one in described["settings"]})
    figure = Figure(figsize=(10, 0.36 * len(names) + 1.7), layout="constrained")
    panels = figure.subplots(1, len(TITLES), sharey=True)
    for (kind, title), panel in zip(TITLES.items(), panels, strict=True):
        styles = zip(sizes, itertools.cycle(COLOURS), itertools.cycle(MARKERS), strict=False)
        for number, (size, colour, marker) in enumerate(styles):
            found = [one for one in described["settings"] if one["images"] == size]
            means, low, high = _error(found, kind) if kind == "test" else _share(found, kind)
            rows = [names.index(one["setting"]) + _offset(number, len(sizes)) for one in found]
            panel.errorbar(
                means,
                rows,
                xerr=np.abs(np.stack([low, high]) - means),
                fmt=marker,
                color=colour,
                markersize=5,
                capsize=3,
                label=f"{size:,} training images",
            )
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("percentage points" if kind != "test" else "% of images")
        panel.grid(axis="x", alpha=0.3)
        panel.grid(axis="y", alpha=0.15)
        panel.axvline(0, color="black", linewidth=0.8)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def sizes(described: Mapping[str, Any]) -> Figure:
    """Show the error on train and unseen test images by the number of training images."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(one["setting"] for one in described["settings"]))
    counts = sorted({one["images"] for one in described["settings"]})
    for (kind, title), panel in zip(
        (("train", "error on the training images"), ("test", "error on test images")),
        panels,
        strict=True,
    ):
        styles = zip(names, itertools.cycle(COLOURS), itertools.cycle(MARKERS), strict=False)
        for number, (name, colour, marker) in enumerate(styles):
            aside = 1.04 ** (number - (len(names) - 1) / 2)  # so that intervals do not hide others
            found = sorted(
                (one for one in described["settings"] if one["setting"] == name),
                key=lambda one: one["images"],
            )
            means, low, high = _error(found, kind)
            panel.errorbar(
                [one["images"] * aside for one in found],
                means,
                yerr=np.abs(np.stack([low, high]) - means),
                fmt=f"{marker}-",
                color=colour,
                capsize=3,
                label=name,
            )
        panel.set_xscale("log")
        panel.set_xticks(counts, [f"{count:,}" for count in counts])
        panel.minorticks_off()
        panel.set(title=title, xlabel="training images")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("% of images")
    panels[0].set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _share(found: list[dict[str, Any]], kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means and ends of intervals in percent; no interval where there is one seed."""
    means = np.array([one[kind]["mean"] for one in found])
    ends = [
        np.array([one[kind]["mean"] if one[kind][end] is None else one[kind][end] for one in found])
        for end in ("low", "high")
    ]
    return 100 * means, 100 * ends[0], 100 * ends[1]


def _error(found: list[dict[str, Any]], kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    means, low, high = _share(found, f"{kind}_accuracy")
    return 100 - means, 100 - high, 100 - low


def _offset(number: int, count: int) -> float:
    return 0.5 * (number - (count - 1) / 2) / max(count, 2)
