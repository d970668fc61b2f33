import platform
import subprocess
import sys

import pytest

KERNELS = """
import importlib, sys
importlib.import_module(sys.argv[1])
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is for x86")
@pytest.mark.parametrize(
    "module", ["digits.training", "stages.train", "studies.jobs", "bench.training_speed"]
)
def test_onednn_computes_on_every_processor(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KERNELS, module], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
