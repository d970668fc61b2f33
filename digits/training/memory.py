"""Keeps memory that TensorFlow frees, which would go back to the system at every step.

A training step allocates and frees hundreds of megabytes of activations. What was given back comes
again page by page, zeroed by the kernel: up to a third of the time of a training with one thread.
Parameters: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

import ctypes
import platform

import tensorflow as tf

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8
KEPT = 2**31 - 1  # bytes free at the heap's end before any are given back
AT_ONCE = 2**29  # bytes by which the heap grows
LARGE = 2**25  # bytes from which an array is mapped on its own; glibc takes no more


def keep() -> None:
    """Keep freed memory in this process from now on; nothing happens where there is no glibc.

    Must come after `determinism.pin`: it has TensorFlow read a generator, as the first one in a
    process sets M_MMAP_THRESHOLD to 128 KiB, every larger array then being mapped on its own.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_ARENA_MAX, 1)  # before threads have their own, which are of 64 MiB at most
    signature = tf.TensorSpec((), tf.bool)
    list(tf.data.Dataset.from_generator(lambda: iter([True]), output_signature=signature))
    libc.mallopt(M_TRIM_THRESHOLD, KEPT)
    libc.mallopt(M_TOP_PAD, AT_ONCE)
    libc.mallopt(M_MMAP_THRESHOLD, LARGE)
