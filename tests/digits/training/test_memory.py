import subprocess
import sys

import pytest

# A real training: TensorFlow's own idea of when to give memory back comes with its first generator.
TRAINING = """
import ctypes, resource, sys
import keras, numpy as np
from digits.training import determinism, memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of 4 KiB, to be counted
determinism.pin(1, 1)
if sys.argv[1] == "keep":
    memory.keep()

class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.ones((1000, 8000), np.float32), np.ones(1000)

faults = []

class Watch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)

layers = [keras.layers.Activation("tanh") for _ in range(20)]  # of 32 MB each
model = keras.Sequential([*layers, keras.layers.Dense(10)])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(Batches(), epochs=3, verbose=0, callbacks=[Watch()])
print((faults[-1] - faults[-2]) / 5)
"""


def pages_per_step(how: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, how], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_not_fetched_from_the_system_again() -> None:
    given_back, kept = pages_per_step("as it is"), pages_per_step("keep")
    assert given_back > 1_000  # of 4 KiB
    assert kept < given_back / 100
