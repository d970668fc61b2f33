"""Pictures of results, one function each, and how they are saved.

All are made for a README's width of some 830 pixels, and hold nine architectures. Colours are
those of Petroff, M. A. (2021), Accessible color sequences for data visualization,
arXiv:2107.02270, which stay apart for colour-blind people; markers differ as well.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike, NDArray

from digits.io import replacing

mpl.rcdefaults()  # a user's own matplotlibrc would change the pictures
COLOURS = mpl.color_sequences["petroff10"]
MARKERS = "osD^vP*X<>h"


def save(path: Path, figure: Figure) -> None:
    """Write a PNG at 150 dpi without the version of matplotlib in it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None})


def images(pictures: NDArray[np.floating | np.uint8], titles: Sequence[str]) -> Figure:
    """Show grey images in a nearly square grid.

    Args:
        pictures: (n, height, width), 0 (black) to 255 (white); with n = 0 the figure says so.
        titles: one for each, two lines at most.
    """
    columns = max(1, math.ceil(math.sqrt(len(titles))))
    rows = max(1, math.ceil(len(titles) / columns))
    figure = Figure(figsize=(1.9 * columns + 0.2, 2.2 * rows + 0.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel in panels:
        panel.set_axis_off()
    for panel, picture, title in zip(figure.axes, pictures, titles, strict=False):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
        panel.set_title(title, fontsize=11)
    if not titles:
        figure.text(0.5, 0.5, "no image to show", ha="center", va="center")
    return figure


def misclassified(
    pictures: NDArray[np.floating], labels: ArrayLike, probabilities: NDArray[np.floating]
) -> Figure:
    """Show images with their label, the prediction and its probability.

    Args:
        pictures: (n, height, width), as in `images`.
        labels: (n,), 0 to 9.
        probabilities: (n, 10), in [0, 1].
    """
    titles = [
        f"true {label}, predicted {one.argmax()}\nprobability {one.max():.2%}"
        for label, one in zip(np.asarray(labels), probabilities, strict=True)
    ]
    return images(pictures, titles)


def range_test(curve: pd.DataFrame, suggested: float) -> Figure:
    """Show a range test: loss by learning rate, and the rate it suggests.

    Args:
        curve: columns learning_rate, loss, smoothed_loss (nats).
        suggested: learning rate.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    rates = curve["learning_rate"]
    axes.plot(rates, curve["loss"], ".", color=COLOURS[0], alpha=0.35, label="of one batch")
    axes.plot(rates, curve["smoothed_loss"], color=COLOURS[0], label="smoothed")
    axes.axvline(suggested, color=COLOURS[2], linestyle="--", label=f"suggested: {suggested:g}")
    axes.set_xscale("log")
    axes.set(xlabel="learning rate", ylabel="cross-entropy, nats", title="Learning-rate range test")
    axes.set_ylim(0, 1.1 * float(curve["smoothed_loss"].max()))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def confusion(labels: ArrayLike, predicted: ArrayLike, title: str) -> Figure:
    """Show how often each label (row) was predicted as each digit (column).

    The shade follows the errors alone; beside the right answers none would be seen.

    Args:
        labels: (n,), 0 to 9.
        predicted: (n,), 0 to 9.
        title: what was counted.
    """
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predicted)), 1)
    errors = counts.astype(np.float64)
    np.fill_diagonal(errors, 0)
    figure = Figure(figsize=(6.2, 6.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=1.5 * max(1, errors.max()))
    for row, column in np.ndindex(*counts.shape):
        weight = "bold" if row == column else "normal"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", weight=weight)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def curves(table: pd.DataFrame) -> Figure:
    """Show loss and error by epoch of all architectures, dev solid and train dashed.

    A dotted line in an architecture's colour is where it begins another phase.

    Args:
        table: columns architecture, epoch, phase, set (train or dev), cross_entropy
            (nats), accuracy ([0, 1]).
    """
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    loss, error = figure.subplots(1, 2, sharex=True)
    names = list(dict.fromkeys(table["architecture"]))
    for (name, colour, marker), kind in itertools.product(_styles(names), ("train", "dev")):
        one = table[(table["architecture"] == name) & (table["set"] == kind)]
        style = (
            {"linewidth": 1.8, "marker": marker, "markersize": 5}
            if kind == "dev"
            else {"linewidth": 0.9, "linestyle": "--"}
        )
        loss.plot(one["epoch"], one["cross_entropy"], color=colour, **style)
        error.plot(one["epoch"], 100 * (1 - one["accuracy"]), color=colour, **style)
        for start in one["epoch"][one["phase"].diff() > 0]:
            for axes in (loss, error):
                axes.axvline(start - 0.5, color=colour, linewidth=1.2, linestyle=":")
    loss.set(title="Loss", ylabel="cross-entropy, nats")
    error.set(title="Error (100 % - accuracy)", ylabel="% of images")
    for axes in (loss, error):
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    handles = [
        *(Line2D([], [], color=c, marker=m, label=name) for name, c, m in _styles(names)),
        Line2D([], [], color="black", linewidth=1.8, label="dev"),
        Line2D([], [], color="black", linewidth=0.9, linestyle="--", label="while training"),
    ]
    if (table["phase"] > 1).any():
        handles.append(Line2D([], [], color="black", linestyle=":", label="next phase"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    return figure


def bias_and_variance(architectures: pd.DataFrame) -> Figure:
    """Show the two parts of the dev error beyond Bayes error as bars, with 95 % intervals.

    Args:
        architectures: columns architecture, bias and variance (shares in [-1, 1]), and the ends of
            their intervals, bias_low and so on.
    """
    figure, axes = _one_row_each(architectures["architecture"])
    middles = np.arange(len(architectures))
    for offset, label, column, colour in (
        (-0.2, "bias (train error - Bayes error)", "bias", COLOURS[0]),
        (0.2, "variance (dev error - train error)", "variance", COLOURS[1]),
    ):
        values, low, high = (100 * architectures[f"{column}{end}"] for end in ("", "_low", "_high"))
        bars = axes.barh(
            middles + offset,
            values,
            0.4,
            label=label,
            color=colour,
            xerr=[values - low, high - values],
            error_kw={"elinewidth": 1, "capsize": 2},
        )
        axes.bar_label(bars, fmt="%+.2f", padding=3, fontsize=9)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.12)
    axes.set_xlabel("percentage points")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def accuracies(architectures: pd.DataFrame) -> Figure:
    """Show the test accuracies with their intervals.

    Args:
        architectures: columns architecture, test, test_low and test_high ([0, 1]).
    """
    figure, axes = _one_row_each(architectures["architecture"])
    test, low, high = (100 * architectures[name] for name in ("test", "test_low", "test_high"))
    axes.errorbar(
        test, range(len(test)), xerr=[test - low, high - test], fmt="o", color=COLOURS[0], capsize=4
    )
    axes.set_xlabel("test accuracy with its 95 % interval, %")
    return figure


def comparisons(architectures: pd.DataFrame, pairs: pd.DataFrame) -> Figure:
    """Show which differences in test accuracy are significant.

    Args:
        architectures: columns architecture and test ([0, 1]).
        pairs: columns first, second and p_corrected of every two; below 0.05 it is coloured.
    """
    names, test = list(architectures["architecture"]), architectures["test"].to_numpy()
    p_values = np.ones((len(names), len(names)))
    for first, second, p in zip(
        *(pairs[key] for key in ("first", "second", "p_corrected")), strict=True
    ):
        at = names.index(first), names.index(second)
        p_values[at] = p_values[at[::-1]] = p
    better = np.where(p_values < 0.05, np.sign(np.subtract.outer(test, test)), 0)
    figure = Figure(figsize=(0.85 * len(names) + 2, 0.5 * len(names) + 2.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(better, cmap="PuOr", vmin=-2, vmax=2, aspect="auto")
    for row, column in np.ndindex(*better.shape):
        if row != column:
            p = p_values[row, column]
            text = "<0.001" if p < 0.001 else f"{p:.3f}"
            axes.text(column, row, text, ha="center", va="center")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("McNemar's test on the test images, p after Holm's correction", fontsize=11)
    figure.supxlabel(
        "purple: the row's network is better; orange: the column's is; "
        "white: no significant difference",
        fontsize=10,
    )
    return figure


def _styles(names: Sequence[str]) -> list[tuple[str, ColorType, str]]:
    """Return (name, colour, marker) of each; a colour comes again only with another marker."""
    return list(zip(names, itertools.cycle(COLOURS), itertools.cycle(MARKERS), strict=False))


def _one_row_each(names: pd.Series) -> tuple[Figure, Axes]:
    """Start a figure with a row for each name, the first on top."""
    figure = Figure(figsize=(8, 0.55 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes
