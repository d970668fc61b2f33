"""Determinism, in processes of their own: it must be pinned before TensorFlow's first operation."""

import json
from pathlib import Path

import pytest

from tests.workspace import ROOT, run

CODE = """
import json
from digits.training import determinism
import keras
import tensorflow as tf

weights = []
for seed in (1, 2, 1):
    determinism.pin(seed, threads=3)
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 2)])
    weights.append(model.get_weights()[0].tolist())
pools = tf.config.threading
threads = [pools.get_intra_op_parallelism_threads(), pools.get_inter_op_parallelism_threads()]
limits = [keras.config.max_epochs(), keras.config.epsilon()]
print(json.dumps({"threads": threads, "weights": weights, "limits": limits}))
"""

# A user's own keras.json, with whatever it may say.
USERS = """{"backend": "torch", "epsilon": 0.1, "floatx": "float64",
"image_data_format": "channels_first"}"""


@pytest.mark.slow
def test_the_seed_alone_decides_the_first_weights_whatever_keras_json_says(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    once = json.loads(run(ROOT, "-c", CODE, env=home)[0])
    (tmp_path / ".keras").mkdir(exist_ok=True)
    (tmp_path / ".keras/keras.json").write_text(USERS)
    others = home | {"KERAS_BACKEND": "jax", "KERAS_MAX_EPOCHS": "1"}
    assert once == json.loads(run(ROOT, "-c", CODE, env=others)[0])
    assert once["threads"] == [3, 3]
    first, other_seed, repeated = once["weights"]
    assert first == repeated != other_seed
