"""The layers of a network from its first (stem) to its last (head), and the body between.

A network that can be trained group by group lists its groups as ``LAYER_GROUPS``, the head last;
a layer belongs to the group that its name starts with. Any other network is all head.
"""

import importlib
import warnings
from pathlib import Path

import keras
import numpy as np

from digits.config import Architecture, Phase, Spread
from digits.errors import PipelineError

HEAD = "head"


def names(network: str) -> tuple[str, ...]:
    """Return the groups of the module ``digits/networks/<network>.py``, stem first, head last."""
    module = importlib.import_module(f"digits.networks.{network}")
    groups: tuple[str, ...] = getattr(module, "LAYER_GROUPS", (HEAD,))
    return groups


def check(name: str, settings: Architecture) -> None:
    """Make sure that a network without a body is not asked for one.

    Raises:
        PipelineError: it is.
    """
    if len(names(settings.network)) > 1:
        return
    needing = [
        f"phases.{number}.{key}"
        for number, phase in enumerate(settings.plan)
        for key, asked in (
            ("trainable: head", phase.trainable == "head"),
            ("learning_rate: from, to", isinstance(phase.learning_rate, Spread)),
        )
        if asked
    ]
    if settings.pretrained != "none":
        needing.append(f"pretrained: {settings.pretrained}")
    if needing:
        raise PipelineError(
            f"params.yaml: architectures.{name} has {', '.join(needing)}, which needs a body and a "
            f"head apart; digits/networks/{settings.network}.py names no LAYER_GROUPS"
        )


def of_layer(layer: keras.Layer, network: str) -> str:
    """Return the group of a layer."""
    groups = names(network)
    return next((group for group in groups if layer.name.startswith(f"{group}_")), HEAD)


def body(model: keras.Model, network: str) -> keras.Model:
    """Return the part of ``model`` before the head; the layers are shared."""
    last = [layer for layer in model.layers if of_layer(layer, network) != HEAD][-1]
    return keras.Model(model.input, last.output, name=f"{network}_body")


def set_trainable(model: keras.Model, network: str, phase: Phase) -> None:
    """Freeze or unfreeze the body as ``phase`` says.

    A frozen body's BatchNorm goes on learning, as fast.ai has it; to Keras it would otherwise be
    in inference too, with averages that stand still.
    """
    for layer in model.layers:
        in_body = of_layer(layer, network) != HEAD
        fixed = phase.trainable == "head" and in_body
        layer.trainable = not fixed or isinstance(layer, keras.layers.BatchNormalization)


def rates(rate: Spread, network: str) -> dict[str, float]:
    """Return each group's learning rate, from stem to head in equal ratios."""
    groups = names(network)
    spread = np.geomspace(rate.lowest, rate.highest, len(groups))
    return dict(zip(groups, spread.tolist(), strict=True))


def load_pretrained(model: keras.Model, settings: Architecture, folder: Path) -> None:
    """Give ``model`` the body that the pretrain stage left in ``folder``, if it is pretrained."""
    check(model.name, settings)
    if settings.pretrained != "none":
        load_body(model, settings.network, folder / "body.weights.h5")


def load_body(model: keras.Model, network: str, path: Path) -> None:
    """Give ``model`` the body whose weights `keras.Model.save_weights` wrote to ``path``.

    Raises:
        PipelineError: the weights are of another body, not finite, or no weights at all.
        FileNotFoundError: there is no such file.
    """
    path.stat()  # h5py has no file name in its error
    part = body(model, network)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of layers it skips
            part.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(
            f"{path}: expected the weights of the body of {network} "
            f"({part.count_params():,} in {len(part.weights)} arrays), as Keras's save_weights "
            f"writes them: {reason}"
        ) from None
    for weight in part.weights:
        if not np.isfinite(weight).all():
            raise PipelineError(f"{path}: expected finite weights, found others in {weight.path}")
