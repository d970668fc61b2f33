"""A trained network as a ``.keras`` file whose bytes follow from the network alone."""

import json
import re
import zipfile
from pathlib import Path

import keras

from digits.io import replacing

TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def save(model: keras.Model, path: Path) -> None:
    """Write architecture and weights, without optimizer, whole or not at all.

    Keras puts the time of writing and addresses in memory into its file; here the time is taken
    out and the addresses are numbered instead, so that equal networks give equal bytes.
    """
    bare = keras.Model(model.input, model.output, name=model.name)
    with replacing(path) as temporary:
        bare.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            content = {name: archive.read(name) for name in sorted(archive.namelist())}
        metadata = json.loads(content["metadata.json"])
        del metadata["date_saved"]
        content["metadata.json"] = json.dumps(metadata).encode()
        content["config.json"] = _number_shared_objects(content["config.json"].decode()).encode()
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, data in content.items():
                archive.writestr(zipfile.ZipInfo(name, TIMESTAMP), data)


def _number_shared_objects(config: str) -> str:
    """Replace each distinct address by its place in the order of appearance."""
    numbers: dict[str, int] = {}
    return re.sub(
        r'(?<="shared_object_id": )\d+',
        lambda address: str(numbers.setdefault(address[0], len(numbers) + 1)),
        config,
    )
