import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_stage_draws_an_architecture_from_its_settings_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "stages.draw", "lenet5_v2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "plots/networks/lenet5_v2.png: lenet5_v2, 390,562 parameters\n"
    with Image.open(tmp_path / "plots/networks/lenet5_v2.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500
