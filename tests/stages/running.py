"""Stages as processes in folders of the tests."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def start(folder: Path, stage: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a stage in ``folder``; ``options`` are those of `subprocess.Popen`."""
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(folder: Path, stage: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a stage in ``folder`` to its end, whichever that is."""
    process = start(folder, stage, *arguments)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
