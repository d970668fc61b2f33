"""Other programs: git, and modules of Python in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

from digits.errors import PipelineError


def git(*command: str, cwd: Path | None = None) -> str:
    """Run git; return what it prints, without the line's end. Raises PipelineError if it fails."""
    arguments = ["git", *command]
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"git {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.rstrip()


def run(folder: Path, *module: str) -> None:
    """Run what follows ``python -m`` in a folder; its output is for the user.

    Raises PipelineError if it failed, and has said why.
    """
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": scripts}, check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"{' '.join(module)} failed in {folder}, see above; run this again")
