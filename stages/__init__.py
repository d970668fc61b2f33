"""The stages of the pipeline, each run as ``python -m stages.<name>``."""

import os

# TensorFlow reads it when it is first imported; its notes on the processor say nothing of use.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
