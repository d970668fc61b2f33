"""Determinism, in processes of their own: it must be pinned before TensorFlow's first operation."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CODE = """
import json
import keras
import tensorflow as tf
from digits.training import determinism

weights = []
for seed in (1, 2, 1):
    determinism.pin(seed, threads=3)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    weights.append(model.get_weights()[0].tolist())
pools = tf.config.threading
threads = [pools.get_intra_op_parallelism_threads(), pools.get_inter_op_parallelism_threads()]
print(json.dumps({"threads": threads, "weights": weights}))
"""


def run() -> Any:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_seed_alone_decides_the_first_weights_and_both_thread_pools_are_pinned() -> None:
    once, again = run(), run()
    assert once["threads"] == [3, 3]
    first, other_seed, repeated = once["weights"]
    assert first == repeated != other_seed
    assert once == again
