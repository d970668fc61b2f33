"""Faults planted one at a time, to see that the tests notice: python -m tests.mutations.

Each replaces a piece of code in a copy of the last commit and runs the tests beside it. Exit
status 1: a fault was missed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.workspace import ROOT


class Fault(NamedTuple):
    """A piece of code, what it becomes, and the module whose tests must fail: its own if none."""

    path: str
    before: str
    after: str
    module: str = ""

    @property
    def tests(self) -> str:
        path = Path(self.path)
        return str("tests" / path.with_name(f"test_{self.module or path.stem}.py"))


FAULTS = [
    Fault("digits/data/scaling.py", 'for row in rows["train"]', 'for row in rows["test"]'),
    Fault("digits/data/splits.py", "queue[dev:train]", "queue[:train]"),
    Fault("digits/data/splits.py", "drawn & ~train", "drawn"),
    Fault("digits/data/idx.py", "0 < size <= MOST_BYTES", "0 < size"),
    Fault("digits/data/mirrors.py", "file.tell() < source.bytes", "file.tell() > source.bytes"),
    Fault("digits/training/batches.py", "((self.seed, self.epoch))", "(self.seed)"),
    Fault("digits/training/batches.py", "rng.permutation(", "("),
    Fault("digits/training/augmentation.py", "(2, count)) * size", "(2, count))"),
    Fault("digits/training/augmentation.py", "share > 0", "share < 0"),
    Fault("digits/training/optimizers.py", "alpha=end / turn", "alpha=end"),
    Fault("digits/training/fit.py", "seed, epoch, index", "seed, index"),
    Fault("digits/training/checkpoint.py", 'state["identity"] == self.identity', "True", "fit"),
    Fault("digits/training/identity.py", "data, seed, threads, more", "data, threads, more"),
    Fault("digits/training/range_test.py", "[best] / BELOW_LOWEST", "[best]"),
    Fault("digits/evaluation/metrics.py", '["train"] - bayes_error', '["train"]'),
    Fault("digits/evaluation/metrics.py", '- accuracy["dev"]', '- accuracy["test"]'),
    Fault(
        "digits/evaluation/statistics.py",
        "np.arange(len(given), 0, -1)",
        "np.full(len(given), len(given))",
    ),
    Fault("studies/regularization/analysis.py", '"HC3"', '"nonrobust"', "effects"),
    Fault("app/drawing.py", "(SIZE - 1) * total", "SIZE * total"),
    Fault("app/guard.py", "received > MOST_BYTES", "received > 2 * MOST_BYTES", "server"),
]


def main() -> None:
    missed = 0
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(tree))
        try:
            for number, fault in enumerate(FAULTS, 1):
                status = run_tests(tree, fault)
                missed += status != 1
                told = {0: "MISSED", 1: "noticed"}.get(status, f"pytest ended with {status}")
                print(f"{number:2} {told}: {fault.path}: {fault.after}", flush=True)
        finally:
            git("worktree", "remove", "--force", str(tree))
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} noticed")
    sys.exit(missed > 0)


def run_tests(tree: Path, fault: Fault) -> int:
    """Return the exit status of pytest where the fault is: 1 if a test failed."""
    path = tree / fault.path
    sound = path.read_text(encoding="utf-8")
    if sound.count(fault.before) != 1:
        raise ValueError(f"{fault.path} has {fault.before!r} {sound.count(fault.before)} times")
    path.write_text(sound.replace(fault.before, fault.after), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", fault.tests]
    done = subprocess.run(command, cwd=tree, capture_output=True, check=False)
    path.write_text(sound, encoding="utf-8")
    return done.returncode


def git(*command: str) -> None:
    subprocess.run(["git", *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
