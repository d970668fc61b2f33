"""A network as a picture: a line per step, with the shape of its output and its parameters.

BatchNorm and activations stand on the line of the layer they follow. A block of steps that comes
several times in a row is drawn once, with its number. Arcs are connections that pass over steps.
"""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.figure import Figure

from digits.errors import PipelineError
from digits.evaluation.figures import COLOURS

FOLLOWERS = {"Activation", "BatchNormalization", "ReLU"}
LINE, ARC = 0.26, 0.12  # inches between lines, and width of an arc for each step passed over
TURN = np.linspace(0, np.pi, 40)


@dataclass(frozen=True)
class Step:
    """One line of the picture.

    Attributes:
        text: the layers, and what sets them apart.
        shape: of the output, without the batch.
        parameters: of these layers.
        sources: numbers of the steps it takes its input from.
    """

    text: str
    shape: tuple[int, ...]
    parameters: int
    sources: tuple[int, ...]


class Block(NamedTuple):
    """Steps that come ``times`` times in a row: number of the first, and how many they are."""

    first: int
    length: int
    times: int


def draw(model: keras.Model) -> Figure:
    """Draw a functional network with one output.

    Raises:
        PipelineError: a layer is used twice.
    """
    steps, blocks = outline(model)
    connections = [(source, n) for n, step in enumerate(steps) for source in step.sources]
    left = 0.2 + ARC * max(target - source for source, target in connections)
    text, shape, parameters, right = left + 0.25, left + 5.8, left + 6.9, left + 7.7
    figure = Figure(figsize=(right, LINE * (len(steps) + 2.6)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, right), ylim=(len(steps) - 0.3, -2.9))
    axes.set_axis_off()
    axes.text(0.15, -2.1, f"{model.name}: {model.count_params():,} parameters", fontsize=13)
    for column, title in ((shape, "output"), (parameters, "parameters")):
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
        axes.text(parameters, number, count, ha="right", va="center")
    for block in blocks:
        ends = [block.first - 0.35, block.first + block.length - 0.65]
        axes.plot([parameters + 0.12] * 2, ends, color=COLOURS[1], linewidth=2)
        axes.text(parameters + 0.2, sum(ends) / 2, f"{block.times} times", va="center")
    return figure


def outline(model: keras.Model) -> tuple[list[Step], list[Block]]:
    """Return what is to be drawn: the steps, each after its sources, and which of them repeat."""
    return _fold(_read(model))


def _read(model: keras.Model) -> list[Step]:
    """Return a step for every layer but those that go with the only one they follow."""
    inputs = {layer.name: keras.tree.flatten(layer.input) for layer in model.layers}
    uses = Counter(id(tensor) for tensors in inputs.values() for tensor in tensors)
    steps: list[Step] = []
    places: dict[int, int] = {}  # of a tensor: number of the step that it comes from
    for layer in model.layers:
        tensors = [id(tensor) for tensor in inputs[layer.name]]
        if not places.keys() >= set(tensors):
            raise PipelineError(
                f"{model.name} cannot be drawn: {layer.name} needs a layer's second output; "
                "expected that every layer is used once"
            )
        sources = tuple(places[tensor] for tensor in tensors)
        text, count = _describe(layer), layer.count_params()
        place = len(steps)
        if type(layer).__name__ in FOLLOWERS and [uses[tensor] for tensor in tensors] == [1]:
            [place] = sources
            before = steps.pop(place)
            sources, count = before.sources, before.parameters + count
            text = f"{before.text} + {text}"
        steps.insert(place, Step(text, layer.output.shape[1:], count, sources))
        places[id(layer.output)] = place
    return steps


def _describe(layer: keras.Layer) -> str:
    """Name a layer and what sets it apart: ``Conv2D 32, 5x5, stride 2``."""
    config = layer.get_config()
    window = tuple(config.get("kernel_size") or config.get("pool_size") or ())
    usual = tuple(config.get("pool_size") or (1, 1))
    strides = tuple(config.get("strides") or usual)
    details = [
        config.get("filters") or config.get("units"),
        "x".join(map(str, window)),
        f"stride {strides[0]}" if strides != usual else "",
        "same" if config.get("padding") == "same" else "",
        f"{config['rate']:.0%}" if "rate" in config else "",
        config["activation"] if config.get("activation", "linear") != "linear" else "",
    ]
    given = ", ".join(str(detail) for detail in details if detail)
    return f"{type(layer).__name__.removesuffix('Layer')} {given}".rstrip()


def _fold(steps: list[Step]) -> tuple[list[Step], list[Block]]:
    """Keep one of every block of steps that repeats."""
    looks = [
        replace(step, sources=tuple(number - source for source in step.sources))
        for number, step in enumerate(steps)
    ]
    kept: list[Step] = []
    blocks: list[Block] = []
    places: list[int] = []
    while len(places) < len(steps):
        first, rest = len(places), looks[len(places) :]
        choices = [(length, _times(rest, length)) for length in range(1, len(rest) + 1)]
        length, times = max(choices, key=lambda one: one[0] * (one[1] - 1))
        if times > 1:
            blocks.append(Block(len(kept), length, times))
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
