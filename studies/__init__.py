"""Experiments beside the main pipeline, all in one dvc.yaml of their own."""

import digits  # noqa: F401 - before TensorFlow
