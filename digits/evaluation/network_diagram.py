"""A network as a picture: a line per step, with the shape of its output and its parameters.

A block of steps that comes several times in a row is drawn once, with its number. Arcs are
connections that pass over steps.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from matplotlib.figure import Figure

from digits.evaluation.figures import COLOURS
from digits.evaluation.predictions import Step

LINE, ARC = 0.26, 0.12  # inches between lines, and width of an arc for each step passed over
TURN = np.linspace(0, np.pi, 40)


def draw(name: str, parameters: int, steps: Sequence[Step]) -> Figure:
    """Draw a network of that name, with so many parameters and these steps in the order of use."""
    heading = f"{name}: {parameters:,} parameters"
    steps, blocks = fold(steps)
    connections = [(source, n) for n, step in enumerate(steps) for source in step.sources]
    left = 0.2 + ARC * max(target - source for source, target in connections)
    text, shape, learned, right = left + 0.25, left + 5.8, left + 6.9, left + 7.7
    figure = Figure(figsize=(right, LINE * (len(steps) + 2.6)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, right), ylim=(len(steps) - 0.3, -2.9))
    axes.set_axis_off()
    axes.text(0.15, -2.1, heading, fontsize=13)
    for column, title in ((shape, "output"), (learned, "parameters")):
        axes.text(column, -1, title, ha="right", va="center", color="grey")
    for source, target in connections:
        span = target - source
        widths = ARC * (span - 1) * np.sin(TURN)  # a straight line to the next step
        heights = source + span * (1 - np.cos(TURN)) / 2
        axes.plot(left - widths, heights, color="grey", linewidth=1.2, zorder=1)
    for number, step in enumerate(steps):
        learns = COLOURS[0] if step.parameters else "white"
        axes.plot(left, number, "o", markerfacecolor=learns, markeredgecolor=COLOURS[0])
        size = " x ".join(map(str, step.shape))
        count = f"{step.parameters:,}" if step.parameters else ""
        axes.text(text, number, step.text, va="center")
        axes.text(shape, number, size, ha="right", va="center")
        axes.text(learned, number, count, ha="right", va="center")
    for first, length, times in blocks:
        ends = [first - 0.35, first + length - 0.65]
        axes.plot([learned + 0.12] * 2, ends, color=COLOURS[1], linewidth=2)
        axes.text(learned + 0.2, sum(ends) / 2, f"{times} times", va="center")
    return figure


def fold(steps: Sequence[Step]) -> tuple[list[Step], list[tuple[int, int, int]]]:
    """Keep one of every block of steps that repeats.

    Return also, of each, its place among those kept, its length, and how often it comes.
    """
    looks = [
        replace(step, sources=tuple(number - source for source in step.sources))
        for number, step in enumerate(steps)
    ]
    kept: list[Step] = []
    blocks: list[tuple[int, int, int]] = []
    places: list[int] = []
    while len(places) < len(steps):
        first, rest = len(places), looks[len(places) :]
        choices = [(length, _times(rest, length)) for length in range(1, len(rest) + 1)]
        length, times = max(choices, key=lambda one: one[0] * (one[1] - 1))
        if times > 1:
            blocks.append((len(kept), length, times))
        places += [len(kept) + number % length for number in range(length * times)]
        kept += [
            replace(step, sources=tuple(places[source] for source in step.sources))
            for step in steps[first : first + length]
        ]
    return kept, blocks


def _times(looks: list[Step], length: int) -> int:
    """Return how often the first ``length`` steps come in a row."""
    starts = range(0, len(looks), length)
    return sum(1 for _ in takewhile(lambda s: looks[s : s + length] == looks[:length], starts))
