"""Measurements beside the pipeline, one module each, run as `python -m bench.NAME`."""

import digits  # noqa: F401 - before TensorFlow
