"""A network as a picture: a line per step, with the shape of its output and its parameters.

BatchNorm and activations stand on the line of the layer they follow. A block of steps that comes
several times in a row is drawn once, with its number. Connections that pass over steps run beside
them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
from matplotlib.figure import Figure

from digits.evaluation.figures import COLOURS

FOLLOWERS = {"Activation", "BatchNormalization", "ReLU"}
LANE, LINE = 0.2, 0.26  # inches between connections side by side, and between lines


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


@dataclass(frozen=True)
class Block:
    """Steps that come ``times`` times in a row: number of the first, and how many they are."""

    first: int
    length: int
    times: int


def draw(model: keras.Model) -> Figure:
    """Draw a functional network with one output."""
    steps, blocks = outline(model)
    lanes = _lanes(steps)
    left = LANE * (1.5 + max(lanes.values()))
    text, shape, parameters, right = left + 0.25, left + 5.8, left + 6.9, left + 7.7
    figure = Figure(figsize=(right, LINE * (len(steps) + 2.6)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, right), ylim=(len(steps) - 0.3, -2.9))
    axes.set_axis_off()
    axes.text(0.15, -2.1, f"{model.name}: {model.count_params():,} parameters", fontsize=13)
    for column, title in ((shape, "output"), (parameters, "parameters")):
        axes.text(column, -1, title, ha="right", va="center", color="grey")
    for (source, target), lane in lanes.items():
        turns = (source + 0.5, target - 0.5) if lane else ()
        xs = [left, *(left - LANE * lane for _ in turns), left]
        axes.plot(xs, [source, *turns, target], color="grey", linewidth=1.2, zorder=1)
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
    return _fold(_join_followers(_read(model)))


def _describe(kind: str, config: dict[str, Any]) -> str:
    """Name a layer of the class ``kind`` and what sets it apart: ``Conv2D 32, 5x5, stride 2``."""
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
    return f"{kind.removesuffix('Layer')} {given}".rstrip()


def _read(model: keras.Model) -> list[Step]:
    """Return a step for every use of a layer."""
    parameters = {layer.name: layer.count_params() for layer in model.layers}
    layers = model.get_config()["layers"]
    uses = [(layer, node) for layer in layers for node in layer["inbound_nodes"] or [{}]]
    names = [layer["name"] for layer, _ in uses]
    numbers = {(name, names[:number].count(name)): number for number, name in enumerate(names)}
    steps, shapes = [], {}
    for layer, node in uses:
        tensors = [(numbers[*tensor["keras_history"][:2]], tensor) for tensor in _tensors(node)]
        shapes.update({source: tuple(tensor["shape"][1:]) for source, tensor in tensors})
        text = _describe(layer["class_name"], layer["config"])
        count = parameters.pop(layer["name"], 0)  # a layer that is used twice has them once
        steps.append(Step(text, model.output_shape[1:], count, tuple(n for n, _ in tensors)))
    return [replace(step, shape=shapes.get(n, step.shape)) for n, step in enumerate(steps)]


def _tensors(part: Any) -> Iterator[dict[str, Any]]:
    """Yield the tensors in the arguments of a call, as Keras writes them down."""
    if isinstance(part, dict) and part.get("class_name") == "__keras_tensor__":
        yield part["config"]
    elif isinstance(part, dict | list | tuple):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _tensors(inner)


def _join_followers(steps: list[Step]) -> list[Step]:
    """Put BatchNorm and activations on the line of the only step they follow."""
    uses = Counter(source for step in steps for source in step.sources)
    joined: list[Step] = []
    places: list[int] = []
    for step in steps:
        if step.text.split()[0] in FOLLOWERS and [uses[source] for source in step.sources] == [1]:
            place = places[step.sources[0]]
            before = joined[place]
            joined[place] = replace(
                before,
                text=f"{before.text} + {step.text}",
                parameters=before.parameters + step.parameters,
            )
        else:
            place = len(joined)
            joined.append(replace(step, sources=tuple(places[source] for source in step.sources)))
        places.append(place)
    return joined


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
        rest = looks[len(places) :]
        lengths = range(1, len(rest) // 2 + 1)
        choices = [(length, _times(rest, length)) for length in lengths]
        length, times = max(choices, key=lambda one: one[0] * (one[1] - 1), default=(1, 1))
        if times > 1:
            blocks.append(Block(len(kept), length, times))
        first = len(places)
        places += [len(kept) + number % length for number in range(length * times)]
        kept += steps[first : first + length]
    return [
        replace(step, sources=tuple(places[source] for source in step.sources)) for step in kept
    ], blocks


def _times(looks: list[Step], length: int) -> int:
    """Return how often the first ``length`` steps come in a row."""
    times = 1
    while looks[times * length : (times + 1) * length] == looks[:length]:
        times += 1
    return times


def _lanes(steps: list[Step]) -> dict[tuple[int, int], int]:
    """Give every connection (source, target) a lane: 0 to the next step, others beside."""
    connections = {(source, number) for number, step in enumerate(steps) for source in step.sources}
    lanes: dict[tuple[int, int], int] = {}
    for source, target in sorted(connections, key=lambda ends: (ends[1] - ends[0], ends)):
        taken = {lane for (start, end), lane in lanes.items() if source < end and start < target}
        free = (lane for lane in range(1, len(steps)) if lane not in taken)
        lanes[source, target] = next(free) if target - source > 1 else 0
    return lanes
