"""What two or more stages share."""

import os

# TensorFlow reads it when it is first imported, and by itself turns oneDNN on only where there is
# AVX-512 VNNI. Its kernels are up to three times as fast as the others, with one thread.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Keras reads these when it is first imported. A user's own keras.json or limits would change what
# the networks compute; where there is no file, Keras's defaults hold: float32, channels last.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull
for _limit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(_limit, None)
