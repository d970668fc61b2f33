import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.stages.running import ROOT, run


@pytest.mark.slow
def test_stage_draws_an_architecture_from_its_settings_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = run(tmp_path, "draw", "lenet5_v2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "plots/networks/lenet5_v2.png: lenet5_v2, 390,562 parameters\n"
    with Image.open(tmp_path / "plots/networks/lenet5_v2.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500
