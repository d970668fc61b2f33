import os
import platform
import re
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
    "module", ["digits.training.fit", "stages.train", "studies.runs", "bench.training_speed"]
)
def test_onednn_computes_on_every_processor(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KERNELS, module], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


CONVOLUTION = """
import digits
import tensorflow as tf
tf.nn.conv2d(tf.zeros((1, 9, 9, 1)), tf.zeros((3, 3, 1, 4)), 1, "SAME")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is for x86")
def test_avx512_can_be_left_alone_to_repeat_what_was_trained_without_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONVOLUTION],
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"cpu,isa:(.*)", done.stdout) == ["Intel AVX2"]
    assert "exec,cpu,convolution," in done.stdout
    assert "avx512" not in done.stdout
