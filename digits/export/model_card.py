"""What a program, or a person, must know to use an exported network."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits import config
from digits.config import Architecture, Augment, Params
from digits.data.dataset import Dataset

PACKAGES = ("ai-edge-litert", "keras", "numpy", "tensorflow")


def describe(
    name: str,
    settings: Params,
    data: Dataset,
    metrics: dict[str, Any],
    formats: list[dict[str, Any]],
    models: Path,
) -> dict[str, Any]:
    """Return the model card of an exported network.

    ``data`` is what it was trained and measured on, ``metrics`` are those of the trained network,
    ``formats`` as from `formats.compare`; all files in the folder ``models`` are described.
    """
    recipe = config.architecture(settings, name)
    source = settings.datasets[settings.dataset].model_dump(exclude={"mirrors"}, exclude_none=True)
    return {
        "name": name,
        "regularization": regularization(recipe),
        "input": {
            "shape": [1, 28, 28, 1],
            "type": "float32",
            "values": "grey levels from 0 to 255, white ink on black; the network scales them",
            "drawings": "must be cropped, fitted and centred as MNIST's: app/drawing.py does it",
        },
        "output": {"shape": [1, 10], "type": "float32", "values": "the probability of each label"},
        "labels": list(range(10)),
        "data_set": {"name": settings.dataset, "images": len(data.labels), **source},
        "split": {
            "scheme": settings.split.scheme,
            "seed": settings.split.seed,
            "images": {name: len(rows) for name, rows in data.rows.items()},
        },
        "standardization": {"mean": data.mean, "deviation": data.std},
        "metrics": metrics,
        "formats": formats,
        "files": {
            path.relative_to(models).as_posix(): _identify(path)
            for path in sorted(models.rglob("*"))
            if path.is_file()
        },
        "versions": {package: version(package) for package in PACKAGES},
    }


def regularization(recipe: Architecture) -> list[str]:
    """Return the kinds of regularization in a recipe."""
    kinds = {
        "augmentation": recipe.augment != Augment(),
        "L2": recipe.l2,
        "dropout": recipe.dropout or recipe.dropout_head,
        "BatchNorm": recipe.batch_norm,
        "label smoothing": recipe.label_smoothing,
    }
    return [kind for kind, there in kinds.items() if there]


def _identify(path: Path) -> dict[str, Any]:
    """Return size and SHA-256 of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
