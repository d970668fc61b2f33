import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import side_by_side
from digits import config, repro


@pytest.mark.slow
@pytest.mark.mnist
def test_an_epoch_of_each_of_four_networks_is_left_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "prepared"
    side_by_side.prepare(folder, Path(os.environ["MNIST_MIRROR"]))
    values = config.check(config.Params, config.read_yaml(folder / "params.yaml"), "params.yaml")
    assert tuple(values.architectures) == side_by_side.NAMES
    assert {one.epochs for one in values.architectures.values()} == {1}
    dag, status = (
        subprocess.run(
            [sys.executable, "-m", "dvc", *command, "dvc.yaml"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for command in (["dag", "--dot"], ["status", "--json"])
    )
    stages = repro.out_of_date(dag, status)
    trained = {name for name in stages if name.startswith("train@")}
    assert trained == {f"train@{name}" for name in side_by_side.NAMES}
    assert not {"download", "convert", "resplit", "standardize"} & set(stages)
