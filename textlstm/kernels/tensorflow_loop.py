"""What the TensorFlow kernels have in common: time-major sequences, loops over them, masks.

Sequences are `[time, batch, …]` in here. Under a 16-bit dtype policy the matrix products are of 16
bits, gates and memory of 32.
"""

import tensorflow as tf

# So many steps are written out in the body of a loop: TensorFlow spends on each round of a loop
# as much as on several small operations.
_UNROLLED = 4
# How many rounds may be under way at once: what the next step does not wait for, such as keeping
# the gates for the gradient, goes on beside it.
_PARALLEL = 32
# A sum that σ and tanh take to exactly 0 or 1, whatever is added to it in the loop; float16 has it.
SATURATED = 3e4


def loop(steps, step, state) -> tuple:
    """Runs `step(n, *state)`, which returns the next state, for n from 0 to `steps` - 1.

    Args:
        steps: int32 scalar.
        step: the body.
        state: tuple of tensors and `TensorArray`s.

    Returns:
        The state after the last step, a tuple.
    """

    def several(n, *state):
        for k in range(_UNROLLED):
            state = step(n + k, *state)
        return (n + _UNROLLED, *state)

    def single(n, *state):
        return (n + 1, *step(n, *state))

    n, *state = tf.while_loop(
        lambda n, *_: n <= steps - _UNROLLED, several, (0, *state), parallel_iterations=_PARALLEL
    )
    _, *state = tf.while_loop(
        lambda n, *_: n < steps, single, (n, *state), parallel_iterations=_PARALLEL
    )
    return tuple(state)


def array(steps, size: int, dtype) -> tf.TensorArray:
    """Returns room for `steps` tensors `[batch, size]`, each written once and read at will."""
    return tf.TensorArray(dtype, steps, element_shape=[None, size], clear_after_read=False)


def unstack(sequence) -> tf.TensorArray:
    """Returns the steps of a sequence, to be read one by one."""
    return tf.TensorArray(sequence.dtype, tf.shape(sequence)[0], clear_after_read=False).unstack(
        sequence
    )


def dtypes(cell) -> tuple:
    """Returns the type of the matrix products and the type of gates and memory."""
    dtype = tf.as_dtype(cell.compute_dtype)
    return dtype, tf.float32 if dtype.size == 2 else dtype


def project(inputs, kernel, bias):
    """Computes `inputs · kernel + bias` for all steps, as one product of matrices.

    Args:
        inputs: `[batch, time, features]`.
        kernel: `[features, width]`.
        bias: `[width]`, or `None`.

    Returns:
        `[time, batch, width]`.
    """
    inputs = tf.transpose(tf.cast(inputs, kernel.dtype), [1, 0, 2])
    shape = tf.shape(inputs)
    product = tf.matmul(tf.reshape(inputs, [-1, kernel.shape[0]]), kernel)
    if bias is not None:
        product += bias
    return tf.reshape(product, [shape[0], shape[1], kernel.shape[1]])


def weight_gradient(before, after):
    """Sums `beforeᵀ · after` over all steps and rows, as one product of matrices."""
    before, after = (tf.reshape(x, [-1, x.shape[2]]) for x in (before, after))
    return tf.matmul(before, after, transpose_a=True)


def states_before(states, first, reverse: bool):
    """Returns the state that each step began with, `[time, batch, size]`.

    Args:
        states: the state after each step, `[time, batch, size]`.
        first: the state before the first step that is run, `[batch, size]`.
        reverse: whether the last step in time is run first.
    """
    if reverse:
        return tf.concat([states[1:], first[None]], axis=0)
    return tf.concat([first[None], states[:-1]], axis=0)


def time_major(mask):
    """Returns a mask as bool `[time, batch, 1]`."""
    return tf.transpose(tf.cast(mask, tf.bool))[:, :, None]


def as_returned(outputs, mask, reverse: bool):
    """Returns outputs `[batch, time, size]`: zeros at masked steps before the first real one."""
    outputs = tf.transpose(outputs, [1, 0, 2])
    if mask is None:
        return outputs
    begun = tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=reverse) > 0  # [batch, time]
    return tf.where(begun[:, :, None], outputs, tf.zeros([], outputs.dtype))
