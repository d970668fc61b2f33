"""Draw one architecture, untrained: ``python -m stages.draw NAME``.

Writes plots/networks/NAME.png.
"""

import argparse
from pathlib import Path

from digits import config, networks
from digits.errors import run_stage
from digits.evaluation import figures
from digits.export import network_diagram


def main() -> None:
    """Draw the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.draw", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    settings = config.architecture(config.load(), name)
    model = networks.build(name, settings, mean=0, std=1)  # which the picture does not show
    path = Path(f"plots/networks/{name}.png")
    figures.save(path, network_diagram.draw(model))
    print(f"{path}: {name}, {model.count_params():,} parameters")


if __name__ == "__main__":
    run_stage("draw", main)
