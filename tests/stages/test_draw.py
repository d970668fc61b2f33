import os
import shutil
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML

from digits import config
from tests.stages.running import ROOT, run

# Six lines of a user's own, each of which would show in a picture.
USERS = """
axes.facecolor: black
font.size: 18
font.family: serif
lines.linewidth: 5
savefig.bbox: tight
text.color: red
"""


@pytest.mark.slow
def test_a_picture_follows_the_network_and_neither_its_training_nor_the_users_matplotlibrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    picture = tmp_path / "plots/networks/lenet5_v2.png"
    done = run(tmp_path, "draw", "lenet5_v2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "plots/networks/lenet5_v2.png: lenet5_v2, 390,562 parameters\n"
    once = picture.read_bytes()
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert min(image.size) > 500

    (tmp_path / "matplotlibrc").write_text(USERS)
    monkeypatch.setenv("MATPLOTLIBRC", os.fspath(tmp_path))
    params = config.read_yaml(tmp_path / "params.yaml")
    params["architectures"]["lenet5_v2"]["l2"] = 0.5
    params["architectures"]["lenet5_v2"]["optimizer"]["learning_rate"] = 0.5
    YAML().dump(params, tmp_path / "params.yaml")
    done = run(tmp_path, "draw", "lenet5_v2")
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes() == once
