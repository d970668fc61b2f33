import platform
import re

import pytest

from tests.workspace import ROOT, run

CONVOLUTION = """
import os
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)  # which these tests hand on
import digits
import tensorflow as tf
tf.nn.conv2d(tf.zeros((1, 9, 9, 1)), tf.zeros((3, 3, 1, 4)), 1, "SAME")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is for x86")
def test_onednn_computes_and_avx512_can_be_left_alone_to_repeat_what_was_trained_without() -> None:
    limited = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ONEDNN_VERBOSE": "1"}
    output, _ = run(ROOT, "-c", CONVOLUTION, env=limited)
    assert re.findall(r"cpu,isa:(.*)", output) == ["Intel AVX2"]
    assert "exec,cpu,convolution," in output
    assert "avx512" not in output
