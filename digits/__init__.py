"""What two or more stages share."""

import os

# TensorFlow reads it when it is first imported, and by itself turns oneDNN on only where there is
# AVX-512 VNNI. Its kernels are up to three times as fast as the others, with one thread.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# With AVX-512 they add in another order and so round differently: what a processor without it has
# trained could not be repeated on one with it. It is given up for that.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
