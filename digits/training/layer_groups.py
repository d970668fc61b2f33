"""The layers of a network from its first (stem) to its last (head), and the backbone before it.

A network that can be trained group by group lists its groups as ``LAYER_GROUPS``, the head last;
a layer belongs to the group that its name starts with. Any other network is all head.
"""

import importlib
import warnings
from pathlib import Path

import keras
import numpy as np

from digits.config import Architecture, ByGroup
from digits.errors import PipelineError

HEAD = "head"


def names(network: str) -> tuple[str, ...]:
    """Return the groups of the module ``digits/networks/<network>.py``, stem first, head last."""
    module = importlib.import_module(f"digits.networks.{network}")
    groups: tuple[str, ...] = getattr(module, "LAYER_GROUPS", (HEAD,))
    return groups


def check(name: str, recipe: Architecture) -> None:
    """Raise PipelineError if a network without a backbone is asked for one."""
    if len(names(recipe.network)) > 1:
        return
    asked = {
        "phases.head": "head" in (recipe.phases or {}),
        "learning_rate: from, to": any(isinstance(rate, ByGroup) for rate in recipe.rates),
        f"pretrained: {recipe.pretrained}": recipe.pretrained != "none",
    }
    if any(asked.values()):
        raise PipelineError(
            f"params.yaml: architectures.{name} has "
            f"{', '.join(key for key, is_asked in asked.items() if is_asked)}, which needs a "
            f"backbone and a head apart; digits/networks/{recipe.network}.py names no LAYER_GROUPS"
        )


def of_layer(layer: keras.Layer, network: str) -> str:
    """Return the group of a layer."""
    groups = names(network)
    return next((group for group in groups if layer.name.startswith(f"{group}_")), HEAD)


def backbone(model: keras.Model, network: str) -> keras.Model:
    """Return the part of ``model`` before the head; the layers are shared."""
    last = [layer for layer in model.layers if of_layer(layer, network) != HEAD][-1]
    return keras.Model(model.input, last.output, name=f"{network}_backbone")


def set_trainable(model: keras.Model, network: str, trainable: str) -> None:
    """Train ``all`` of a model, or the ``head`` alone.

    A frozen backbone's BatchNorm goes on learning, as fast.ai has it; to Keras it would otherwise
    be in inference too, with averages that stand still.
    """
    for layer in model.layers:
        fixed = trainable == HEAD and of_layer(layer, network) != HEAD
        layer.trainable = not fixed or isinstance(layer, keras.layers.BatchNormalization)


def rates(rate: ByGroup, network: str) -> dict[str, float]:
    """Return each group's learning rate, from stem to head in equal ratios."""
    groups = names(network)
    geometric = np.geomspace(rate.lowest, rate.highest, len(groups))
    return dict(zip(groups, geometric.tolist(), strict=True))


def load_backbone(model: keras.Model, network: str, path: Path) -> None:
    """Give ``model`` the backbone whose weights `keras.Model.save_weights` wrote to ``path``.

    Raises PipelineError if the weights are of another backbone, not finite, or no weights at all.
    """
    path.stat()  # h5py has no file name in its error
    part = backbone(model, network)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of layers it skips
            part.load_weights(path)
    except (OSError, ValueError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise PipelineError(
            f"{path}: expected the weights of the backbone of {network} "
            f"({part.count_params():,} in {len(part.weights)} arrays), as Keras's save_weights "
            f"writes them: {reason}"
        ) from None
    for weight in part.weights:
        if not np.isfinite(weight).all():
            raise PipelineError(f"{path}: expected finite weights, found others in {weight.path}")
