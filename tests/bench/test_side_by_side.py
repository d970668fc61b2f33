import os
from pathlib import Path

import pytest

from bench import side_by_side
from digits import config, repro


@pytest.mark.slow
@pytest.mark.mnist
def test_an_epoch_of_each_of_four_networks_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "prepared"
    side_by_side.prepare(folder, Path(os.environ["MNIST_MIRROR"]))
    values = config.check(config.Params, config.read_yaml(folder / "params.yaml"), "params.yaml")
    assert tuple(values.architectures) == side_by_side.NAMES
    assert {one.epochs for one in values.architectures.values()} == {1}
    monkeypatch.chdir(folder)
    stages = repro.out_of_date()
    trained = {name for name in stages if name.startswith("train@")}
    assert trained == {f"train@{name}" for name in side_by_side.NAMES}
    assert not {"download", "convert", "resplit", "standardize"} & set(stages)
