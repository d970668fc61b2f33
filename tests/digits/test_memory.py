import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import numpy as np
from digits import memory

if sys.argv[1] == "keep":
    memory.keep()

def step():
    return [np.ones(500_000, np.float32) for _ in range(48)]  # 96 MB, freed at once

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


def pages_per_step(how: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_not_fetched_from_the_system_again() -> None:
    given_back, kept = pages_per_step("as it is"), pages_per_step("keep")
    assert given_back > 10_000  # of 4 KiB
    assert kept < given_back / 100
