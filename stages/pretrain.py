"""Bring the body that an architecture starts from to where its training finds it.

Reads data/standardized/statistics.json; writes models/pretrained/<name>/: body.weights.h5, and for
a body that learned letters (``pretrained: glyphs``) also curves.csv and letters.png. With
``pretrained: none`` the folder stays empty. An interrupted training on letters goes on from
checkpoints/<name>-letters.npz.
"""

import argparse
from pathlib import Path

from digits import config
from digits.errors import run_stage
from digits.io import replacing


def main() -> None:
    """Make the body of the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.pretrain", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    values = config.load()
    settings = config.architecture(values, name)
    folder = Path("models/pretrained") / name
    folder.mkdir(parents=True, exist_ok=True)
    if settings.pretrained == "none":
        print(f"{name} starts from random weights: pretrained is none")
        return

    # Imported here since TensorFlow takes seconds to load, and most architectures need none.
    from digits.data import dataset
    from digits.training import determinism
    from digits.transfer import pretraining

    determinism.pin(values.seed, values.threads)
    mean, deviation = dataset.statistics(Path("data/standardized/statistics.json"))
    state = Path(f"checkpoints/{name}-letters.npz")
    body, origin = pretraining.make_body(name, values, mean, deviation, folder, state)
    with replacing(folder / "body.weights.h5") as temporary:
        body.save_weights(temporary)
    state.unlink(missing_ok=True)
    print(f"{name}: a body of {body.count_params():,} weights, {origin}; wrote {folder}/")


if __name__ == "__main__":
    run_stage("pretrain", main)
