"""Faults planted one at a time, to see that the tests notice: python -m tests.mutations.

Each replaces a piece of code in a copy of the last commit and runs the tests beside it. Exit
status 1: a fault was missed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Fault(NamedTuple):
    """A piece of code, what it becomes, and the tests that must fail."""

    path: str
    before: str
    after: str
    tests: str


FAULTS = [
    Fault(
        "digits/data/scaling.py",
        'images.pixels[row] for row in rows["train"]',
        'images.pixels[row] for row in rows["test"]',
        "tests/digits/data/test_scaling.py",
    ),
    Fault(
        "digits/data/splits.py",
        "queue[dev:train]",
        "queue[:train]",
        "tests/digits/data/test_splits.py",
    ),
    Fault("digits/data/splits.py", "drawn & ~train", "drawn", "tests/digits/data/test_splits.py"),
    Fault(
        "digits/data/idx.py", "0 < size <= MOST_BYTES", "0 < size", "tests/digits/data/test_idx.py"
    ),
    Fault(
        "digits/data/mirrors.py",
        "if file.tell() < source.bytes",
        "if file.tell() > source.bytes",
        "tests/digits/data/test_mirrors.py",
    ),
    Fault(
        "digits/training/batches.py",
        "np.random.default_rng((self.seed, self.epoch))",
        "np.random.default_rng(self.seed)",
        "tests/digits/training/test_batches.py",
    ),
    Fault(
        "digits/training/batches.py",
        'rng.permutation(self.data.rows["train"])',
        'self.data.rows["train"]',
        "tests/digits/training/test_batches.py",
    ),
    Fault(
        "digits/training/augmentation.py",
        "(2, count)) * size",
        "(2, count))",
        "tests/digits/training/test_augmentation.py",
    ),
    Fault(
        "digits/training/augmentation.py",
        "share > 0, dilated, eroded",
        "share < 0, dilated, eroded",
        "tests/digits/training/test_augmentation.py",
    ),
    Fault(
        "digits/training/optimizers.py",
        "alpha=end / turn",
        "alpha=end",
        "tests/digits/training/test_optimizers.py",
    ),
    Fault(
        "digits/training/fit.py",
        "(self.batches.seed, epoch, index)",
        "(self.batches.seed, index)",
        "tests/digits/training/test_fit.py",
    ),
    Fault(
        "digits/training/checkpoint.py",
        'if state["identity"] == self.identity',
        "if True",
        "tests/digits/training/test_fit.py",
    ),
    Fault(
        "digits/training/identity.py",
        "data, seed, threads, more",
        "data, threads, more",
        "tests/digits/training/test_identity.py",
    ),
    Fault(
        "digits/training/range_test.py",
        "[best] / BELOW_LOWEST",
        "[best]",
        "tests/digits/training/test_range_test.py",
    ),
    Fault(
        "digits/evaluation/metrics.py",
        '1 - accuracy["train"] - bayes_error',
        '1 - accuracy["train"]',
        "tests/digits/evaluation/test_metrics.py",
    ),
    Fault(
        "digits/evaluation/metrics.py",
        '"variance": accuracy["train"] - accuracy["dev"]',
        '"variance": accuracy["train"] - accuracy["test"]',
        "tests/digits/evaluation/test_metrics.py",
    ),
    Fault(
        "digits/evaluation/statistics.py",
        'method="holm"',
        'method="fdr_bh"',
        "tests/digits/evaluation/test_statistics.py",
    ),
    Fault(
        "studies/regularization/analysis.py",
        'cov_type="HC3"',
        'cov_type="nonrobust"',
        "tests/studies/regularization/test_effects.py",
    ),
    Fault("app/drawing.py", "(SIZE - 1) * total", "SIZE * total", "tests/app/test_drawing.py"),
    Fault(
        "app/guard.py",
        "if received > MOST_BYTES",
        "if received > 2 * MOST_BYTES",
        "tests/app/test_server.py",
    ),
]


def main() -> None:
    """Plant every fault in turn."""
    missed = 0
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree))
        try:
            for number, fault in enumerate(FAULTS, 1):
                noticed = is_noticed(tree, fault)
                missed += not noticed
                told = "noticed" if noticed else "MISSED"
                print(f"{number:2} {told}: {fault.path}: {fault.after}", flush=True)
        finally:
            git("worktree", "remove", "--force", str(tree))
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} noticed")
    sys.exit(missed > 0)


def is_noticed(tree: Path, fault: Fault) -> bool:
    """Return whether a test fails where the fault is."""
    path = tree / fault.path
    sound = path.read_text(encoding="utf-8")
    if sound.count(fault.before) != 1:
        raise ValueError(f"{fault.path} has {fault.before!r} {sound.count(fault.before)} times")
    path.write_text(sound.replace(fault.before, fault.after), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", fault.tests]
    done = subprocess.run(command, cwd=tree, capture_output=True, check=False)
    path.write_text(sound, encoding="utf-8")
    return done.returncode == 1  # a test failed; others are faults of ours


def git(*command: str) -> None:
    subprocess.run(["git", *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
