"""Asking git."""

import subprocess
from pathlib import Path

from digits.errors import PipelineError


def git(*command: str, cwd: Path | None = None) -> str:
    """Run git; return what it prints, without the line's end. Raises PipelineError if it fails."""
    arguments = ["git", *command]
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PipelineError(f"git {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.rstrip()
