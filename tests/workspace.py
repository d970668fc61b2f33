"""Folders as users have them, with parameters and data, and Python started there."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from digits import config
from digits.io import write_csv, write_json

ROOT = Path(__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    """Return this process's, in which Python finds the project, and DVC this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": path, "PYTHONPATH": str(ROOT)}
    return {**os.environ, **quiet, "RAY_worker_niceness": "0", **more}  # Ray gives way to all else


def start(
    folder: Path, module: str, *arguments: object, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.Popen[str]:
    """Start a module in ``folder``, or code after "-c"; ``more`` are options of Popen."""
    command = [sys.executable, *([] if module == "-c" else ["-m"]), module, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        command, cwd=folder, env=environment(**env or {}), text=True, **pipes | more
    )


def run(
    folder: Path, module: str, *arguments: object, status: int = 0, **more: Any
) -> tuple[str, str]:
    """Run a module in ``folder``, check the exit status, and return both outputs."""
    process = start(folder, module, *arguments, **more)
    output, errors = process.communicate()
    assert process.returncode == status, errors
    return output, errors


def wait_for(sign: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for a sign of what a process is doing; it must not end before."""
    while not sign():
        assert process.poll() is None
        time.sleep(0.001)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files right in a folder contain, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_params(
    folder: Path, changes: Mapping[str, Any] | None = None, source: Path = ROOT
) -> None:
    """Write params.yaml of ``source`` into ``folder``, with other values by dotted keys."""
    content = config.override(config.read_yaml(source / "params.yaml"), changes or {}, "test")
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def write_split(folder: Path, labels: np.ndarray, sets: Mapping[str, Iterable[int]]) -> None:
    """Write data/split.csv as resplit does; ``sets`` has the row numbers of train, dev and test."""
    ids = np.arange(len(labels))
    flags = {name: np.isin(ids, list(rows)).astype(int) for name, rows in sets.items()}
    write_csv(folder / "data/split.csv", pd.DataFrame({"id": ids, "label": labels, **flags}))


def write_data(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray,
    sets: Mapping[str, Iterable[int]],
    mean: float = 33.0,
    std: float = 78.0,
) -> None:
    """Write what resplit and standardize leave: the split, and images already standardized."""
    write_split(folder, labels, sets)
    write_json(folder / "data/standardized/statistics.json", {"mean": mean, "deviation": std})
    np.save(folder / "data/standardized/images.npy", images)
