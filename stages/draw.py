"""Draw one architecture, untrained: ``python -m stages.draw NAME``.

Writes plots/networks/NAME.png.
"""

import argparse
from pathlib import Path

from digits import network_diagram, networks, params, plotting
from digits.errors import run_stage


def main() -> None:
    """Draw the architecture named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.draw", description=__doc__)
    parser.add_argument("name", help="an architecture of params.yaml")
    name = parser.parse_args().name
    settings = params.architecture(params.load(), name)
    model = networks.build(name, settings, mean=0, deviation=1)  # which the picture does not show
    path = Path(f"plots/networks/{name}.png")
    plotting.save(path, network_diagram.draw(model))
    print(f"{path}: {name}, {model.count_params():,} parameters")


if __name__ == "__main__":
    run_stage("draw", main)
