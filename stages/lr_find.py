"""Find a learning rate for an architecture that wants one suggested.

Reads data/standardized/, data/split.csv and models/pretrained/<name>/; writes
data/learning_rates/<name>.json, and to plots/lr_find/<name>/ the loss by learning rate as curve.csv
and curve.png. Where no ``learning_rate`` of the architecture is ``suggested``, there is nothing to
find: the rate is null and the folder stays empty.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from digits import config
from digits.errors import run_stage
from digits.io import write_csv, write_json


def main() -> None:
    """Test the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.lr_find", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    values = config.load()
    settings = config.architecture(values, name)
    result = Path(f"data/learning_rates/{name}.json")
    folder = Path("plots/lr_find") / name
    folder.mkdir(parents=True, exist_ok=True)
    phase = settings.first_to_ask
    if phase is None:
        write_json(result, {"suggested": None})
        print(f"{name}: its learning rates are given, none is to be suggested")
        return

    # Imported here since TensorFlow takes seconds to load, and most architectures need none.
    from digits import networks
    from digits.data import dataset
    from digits.evaluation import figures
    from digits.training import determinism, layer_groups, range_test

    determinism.pin(values.seed, values.threads)
    data = dataset.load(Path("data/standardized"), Path("data/split.csv"))
    model = networks.build(name, settings, data.mean, data.deviation)
    layer_groups.load_pretrained(model, settings, Path("models/pretrained") / name)
    with tqdm(total=values.lr_find.batches, desc="range test", file=sys.stderr) as bar:
        curve = range_test.run(
            model, settings, phase, data, values.seed, values.lr_find, bar.update
        )
    write_csv(folder / "curve.csv", curve.map(lambda value: float(f"{value:.7g}")))
    suggested = range_test.suggest(curve)
    figures.save(folder / "curve.png", figures.range_test(curve, suggested))
    write_json(result, {"suggested": suggested})
    print(
        f"{name}: suggested learning rate {suggested:g}, after {len(curve)} batches from "
        f"{curve['learning_rate'].iloc[0]:g} to {curve['learning_rate'].iloc[-1]:g}; "
        f"see {folder}/curve.png"
    )


if __name__ == "__main__":
    run_stage("lr_find", main)
