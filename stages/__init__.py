"""The stages of the pipeline, each run as ``python -m stages.<name>``."""

import os
import sys
from types import TracebackType

import digits  # noqa: F401 - before TensorFlow
from digits.errors import INTERRUPTED

# TensorFlow reads it when it is first imported. Notes on the CPU and the graphics card that it
# prints before that are beyond reach, and harmless.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _interrupted_or_defect(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in one line that Ctrl-C came, also while a stage is still importing for seconds."""
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _interrupted_or_defect
