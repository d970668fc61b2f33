"""Keeps memory that TensorFlow frees, which glibc would give back to the system at every step.

A training step allocates and frees hundreds of megabytes of activations. What was given back comes
again page by page, zeroed by the kernel: a third of the time of a training with one thread.
Parameters: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
KEPT = 2**31 - 1  # bytes free at the heap's end before any are given back
AT_ONCE = 2**29  # bytes by which the heap grows
LARGE = 2**25  # bytes from which an array is mapped on its own; glibc takes no more


def keep() -> None:
    """Keep freed memory in this process from now on; nothing happens where there is no glibc."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for parameter, value in (
        (M_TRIM_THRESHOLD, KEPT),
        (M_TOP_PAD, AT_ONCE),
        (M_MMAP_THRESHOLD, LARGE),
    ):
        libc.mallopt(parameter, value)
