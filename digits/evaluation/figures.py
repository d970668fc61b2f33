"""Pictures of results, one function each, and how they are saved.

All are made for a README's width of some 830 pixels. Colours are those of Petroff, M. A. (2021),
Accessible color sequences for data visualization, arXiv:2107.02270, which stay apart for
colour-blind people.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray

from digits.io import replacing

mpl.rcdefaults()  # a user's own matplotlibrc would change the pictures
COLOURS = mpl.color_sequences["petroff10"]
DARKEST = 2  # % of a label's images, in a confusion matrix


def save(path: Path, figure: Figure) -> None:
    """Write a PNG at 150 dpi without the version of matplotlib in it."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None})


def images(pictures: NDArray[np.floating | np.uint8], titles: Sequence[str]) -> Figure:
    """Show grey images, (n, height, width), 0 (black) to 255 (white), in a nearly square grid.

    Each has a title of two lines at most. With n = 0 the figure says so.
    """
    columns = max(1, math.ceil(math.sqrt(len(titles))))
    rows = max(1, math.ceil(len(titles) / columns))
    figure = Figure(figsize=(2.1 * columns + 0.2, 2.3 * rows + 0.2), layout="constrained")
    for panel in figure.subplots(rows, columns, squeeze=False).flat:
        panel.set_axis_off()
    for panel, picture, title in zip(figure.axes, pictures, titles, strict=False):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=255)
        panel.set_title(title, fontsize=9)
    if not titles:
        figure.text(0.5, 0.5, "no image to show", ha="center", va="center")
    return figure


def samples(pictures: NDArray[np.uint8], labels: ArrayLike) -> Figure:
    """Show images, as `images` does, in ten columns, one for each label; as many of each."""
    order = np.argsort(labels, kind="stable").reshape(10, -1).T
    figure = Figure(figsize=(9, 0.9 * len(order) + 0.3), layout="constrained")
    for (row, column), panel in np.ndenumerate(figure.subplots(len(order), 10, squeeze=False)):
        panel.imshow(pictures[order[row, column]], cmap="gray", vmin=0, vmax=255)
        panel.set_axis_off()
        if row == 0:
            panel.set_title(str(column), fontsize=11)
    return figure


def misclassified(
    pictures: NDArray[np.floating],
    labels: Iterable[int],
    probabilities: NDArray[np.floating],
    ids: Iterable[int],
    name: str,
) -> Figure:
    """Show the errors that the network ``name`` is surest of.

    ``pictures`` are as in `images`, ``labels`` (n,), 0 to 9, ``probabilities`` (n, 10), ``ids``
    (n,).
    """
    titles = [
        f"image {number}\ntrue {label}, predicted {one.argmax()} "
        f"({'> 99.99' if one.max() > 0.9999 else f'{100 * one.max():.2f}'} %)"
        for number, label, one in zip(ids, labels, probabilities, strict=True)
    ]
    figure = images(pictures, titles)
    figure.suptitle(f"{name}: the test errors that it is surest of", fontsize=12)
    return figure


def range_test(curve: pd.DataFrame, suggested: float) -> Figure:
    """Show a range test, as from `digits.training.range_test.run`, and the rate it suggests."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    rates = curve["learning_rate"]
    axes.plot(rates, curve["loss"], ".", color=COLOURS[0], alpha=0.35, label="of one batch")
    axes.plot(rates, curve["smoothed_loss"], color=COLOURS[0], label="smoothed")
    axes.axvline(suggested, color=COLOURS[2], linestyle="--", label=f"suggested: {suggested:g}")
    top = 1.1 * float(curve["smoothed_loss"].max())
    axes.set(xscale="log", xlabel="learning rate", ylim=(0, top), ylabel="cross-entropy, nats")
    axes.set_title("Learning-rate range test")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def confusion(labels: ArrayLike, predicted: ArrayLike, title: str) -> Figure:
    """Show how often each label, 0 to 9 (row), was predicted as each digit (column).

    The shade is of the errors alone, by their share of the row, and the same for every network.
    """
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predicted)), 1)
    errors = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(errors, 0)
    figure = Figure(figsize=(6.2, 6.2), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(errors, cmap="Oranges", vmin=0, vmax=DARKEST)
    for row, column in np.ndindex(*counts.shape):
        weight = "bold" if row == column else "normal"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", weight=weight)
    axes.set(xticks=range(10), yticks=range(10), xlabel="predicted", ylabel="true", title=title)
    label = f"errors, % of the row (darkest: {DARKEST} and more)"
    figure.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.6, pad=0.02, label=label)
    return figure


def curves(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Show the error by epoch, a panel for each architecture, on one logarithmic scale.

    A dotted line is where another phase begins. ``tables`` have `digits.io.CURVES`.
    """
    columns = min(3, len(tables))
    rows = math.ceil(len(tables) / columns)
    figure = Figure(figsize=(9, 2.1 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for panel, name in itertools.zip_longest(panels, tables):
        if name is None:
            panel.set_axis_off()
            continue
        one = tables[name]
        for kind, colour, style in (
            ("dev_accuracy", COLOURS[0], "-"),
            ("accuracy", COLOURS[1], "--"),
        ):
            panel.plot(one["epoch"], 100 * (1 - one[kind]), style, color=colour)
        for start in one["epoch"][one["phase"].diff() > 0]:
            panel.axvline(start - 0.5, color="grey", linewidth=1.2, linestyle=":")
        panel.set_title(name, fontsize=11)
        panel.set_yscale("log", nonpositive="mask")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
    handles = [
        Line2D([], [], color=COLOURS[0], label="dev images"),
        Line2D([], [], color=COLOURS[1], linestyle="--", label="training images, while training"),
    ]
    if any((one["phase"] > 1).any() for one in tables.values()):
        handles.append(Line2D([], [], color="grey", linestyle=":", label="next phase"))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    for panel in figure.axes[-columns:]:
        panel.set_xlabel("epoch")
    figure.supylabel("error, % of images (logarithmic)", fontsize=11)
    figure.suptitle("Error by epoch, one run of each network", fontsize=12)
    return figure


def bias_and_variance(architectures: pd.DataFrame) -> Figure:
    """Show the two parts of the dev error beyond Bayes error as bars, with 95 % intervals.

    The columns are architecture, bias and variance (shares in [-1, 1]), and the ends of their
    intervals, bias_low and so on.
    """
    figure, (axes,) = rows(list(architectures["architecture"]), 8, 0.55, 1.4)
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
    axes.set_xlabel("percentage points, with 95 % intervals (one run)")
    more = (architectures["variance"] > architectures["bias"]).sum()
    axes.set_title(f"Variance exceeds bias in {more} of {len(architectures)} networks", fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def accuracies(architectures: pd.DataFrame, images: int) -> Figure:
    """Show the accuracies on so many test images with their intervals.

    The columns are architecture, test, test_low and test_high ([0, 1]).
    """
    figure, (axes,) = rows(list(architectures["architecture"]), 8, 0.55, 1.4)
    test, low, high = (100 * architectures[name] for name in ("test", "test_low", "test_high"))
    axes.errorbar(
        test, range(len(test)), xerr=[test - low, high - test], fmt="o", color=COLOURS[0], capsize=4
    )
    axes.set_xlabel(f"test accuracy, %, with its 95 % interval (one run, {images:,} images)")
    best = architectures["architecture"].iloc[int(test.argmax())]
    axes.set_title(f"{best} has the highest test accuracy: {test.max():.2f} %", fontsize=11)
    return figure


def comparisons(architectures: pd.DataFrame, pairs: pd.DataFrame) -> Figure:
    """Show every difference in test accuracy, in points, and whether it is significant.

    ``architectures`` has columns architecture and test ([0, 1]), ``pairs`` first, second and
    p_corrected of every two; below 0.05 it is coloured.
    """
    names, test = list(architectures["architecture"]), architectures["test"].to_numpy()
    shown = np.full((len(names), len(names)), np.nan)
    figure = Figure(figsize=(9, 0.5 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots()
    for first, second, p in zip(
        *(pairs[key] for key in ("first", "second", "p_corrected")), strict=True
    ):
        column, row = sorted((names.index(first), names.index(second)))
        gain = 100 * (test[row] - test[column])
        shown[row, column] = np.sign(gain) if p < 0.05 else 0
        text = f"{gain:+.2f}\n{'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8)
    axes.imshow(shown, cmap="PuOr", vmin=-2, vmax=2, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlim=(-0.5, len(names) - 1.5), ylim=(len(names) - 0.5, 0.5))
    apart = f"{(pairs['p_corrected'] < 0.05).sum()} of {len(pairs)} pairs differ significantly"
    axes.set_title(f"{apart} in test accuracy", fontsize=11)
    figure.supxlabel(
        "row minus column, points; purple: the row's network is better; orange: the column's is\n"
        "white: no significant difference (McNemar's exact test, p < 0.05)\n"
        "Holm's correction, over recipes of the same network and over the other pairs",
        fontsize=9,
    )
    return figure


def rows(
    names: Sequence[str],
    width: float,
    height: float,
    more: float,
    panels: int = 1,
    *,
    sharex: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Start a figure with a row for each name, the first on top, in panels side by side.

    Inches: it is ``width`` wide, and ``height`` for each row and ``more`` high.
    """
    figure = Figure(figsize=(width, height * len(names) + more), layout="constrained")
    axes = list(figure.subplots(1, panels, sharex=sharex, sharey=True, squeeze=False).flat)
    for panel in axes:
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.grid(axis="x", alpha=0.3)
        panel.set_axisbelow(True)
    return figure, axes
