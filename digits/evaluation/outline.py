"""The layers of a network as data, to be drawn by `digits.evaluation.network_diagram`."""

from collections import Counter

import keras

from digits.errors import PipelineError
from digits.evaluation.predictions import Step

FOLLOWERS = {"Activation", "BatchNormalization", "ReLU"}


def outline(model: keras.Model) -> list[Step]:
    """Return the steps of a functional network with one output, each after its sources.

    BatchNorm and activations are part of the step of the layer that they follow, if no other layer
    follows it. Raises PipelineError if a layer is used twice.
    """
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
        steps.insert(place, Step(text, tuple(layer.output.shape[1:]), count, sources))
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
