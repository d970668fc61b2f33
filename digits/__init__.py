"""What two or more stages share."""

import os

# TensorFlow reads it when it is first imported, and by itself turns oneDNN on only where there is
# AVX-512 VNNI. Its kernels are up to three times as fast as the others, with one thread.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
