"""Compiles what would otherwise run operation by operation over a long text."""

from collections.abc import Callable

import keras

# Over fewer tokens it takes longer to compile a function than to run it as it is.
_LONG = 500


def compiled(function: Callable, tokens: int) -> Callable:
    """Returns a function of tensors, compiled under TensorFlow if the text has many tokens.

    It is traced once for each shape of its inputs.
    """
    if tokens < _LONG or keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)
