"""Making TensorFlow repeat itself bit for bit on one machine."""

import keras
import tensorflow as tf


def pin(seed: int, threads: int) -> None:
    """Seed Python, NumPy and TensorFlow, pin the thread pools, and allow only repeatable kernels.

    The number of threads decides the order of additions and so the roundings. Must come before
    TensorFlow's first operation.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
