"""Experiments beside the main pipeline, each with a dvc.yaml of its own."""

import digits  # noqa: F401 - before TensorFlow
