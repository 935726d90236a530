"""What the TensorFlow kernels have in common: halves of a batch, loops over time, masks, gradients.

Sequences are `[time, batch, …]` in here. Under a 16-bit dtype policy the matrix products are of 16
bits, gates and memory of 32.
"""

import tensorflow as tf

from textlstm.kernels.custom_gradient import custom_gradient

# So many steps are written out in the body of a loop: TensorFlow spends on each round of a loop
# as much as on several small operations. A step of training is long enough for fewer, and its
# graph is made in half the time.
_UNROLLED, _UNROLLED_IN_TRAINING = 8, 4
# How many rounds may be under way at once: what the next step does not wait for, such as keeping
# the factors for the gradient, goes on beside it.
_PARALLEL = 32
# A sum that σ and tanh take to exactly 0 or 1, whatever is added to it in the loop; float16 has it.
SATURATED = 3e4
# Batches of fewer rows are not halved: a product with so few takes as long as with half of them.
_WORTH_HALVING = 8


def in_halves(run, cell, inputs, initial_state, mask=None, **options):
    """Runs a kernel over the two halves of a batch, side by side.

    The steps of a recurrence wait for each other, and most of their operations are too small to be
    shared between processors; the halves wait for nothing of each other.

    Args:
        run: the kernel.
        cell: as of `scan`, like the rest and the result.
        inputs: `[batch, time, features]`.
        initial_state: list of `[batch, size]`.
        mask: `[batch, time]`, or `None`.
        **options: the other arguments of the kernel.
    """
    batch = inputs.shape[0]
    if batch is None:
        batch = tf.shape(inputs)[0]
        first = tf.where(batch >= _WORTH_HALVING, batch // 2, 0)  # an empty half takes one step
    elif batch >= _WORTH_HALVING:
        first = batch // 2
    else:
        return run(cell, inputs, initial_state, mask=mask, **options)

    def halve(tensor):
        return [None] * 2 if tensor is None else tf.split(tensor, [first, batch - first], num=2)

    states = zip(*map(halve, initial_state))
    results = [
        run(cell, inputs, list(state), mask=mask, **options)
        for inputs, state, mask in zip(halve(inputs), states, halve(mask))
    ]
    outputs, final_states = zip(*results)
    return tf.concat(outputs, axis=0), [tf.concat(pair, axis=0) for pair in zip(*final_states)]


def run_with_gradient(sequence, tensors: dict, training):
    """Runs `sequence.forward(tensors)`, and has `sequence.backward` compute its gradient.

    What the gradient needs is kept while training only. A gradient that is asked for nevertheless
    (that of a saliency map, say) runs the loop forward once more.

    Args:
        sequence: has `forward(tensors, keep)`, which returns its results and what it kept, and
            `backward(tensors, results, kept, d_results)`, which returns the gradients of `tensors`.
        tensors: what has gradients, by name.
        training: whether the steps are part of training.
    """

    @custom_gradient
    def run(tensors):
        results, kept = sequence.forward(tensors, keep=bool(training))

        def gradient(*d_results):
            factors = kept or sequence.forward(tensors, keep=True)[1]
            return sequence.backward(tensors, results, factors, d_results)

        return results, gradient

    return run(tensors)


def loop(steps, step, state, *, training: bool) -> tuple:
    """Runs `step(n, *state)`, which returns the next state, for n from 0 to `steps` - 1.

    Args:
        steps: int32 scalar.
        step: the body.
        state: tuple of tensors and `TensorArray`s.
        training: whether the loop is part of training.

    Returns:
        The state after the last step, a tuple.
    """
    unrolled = _UNROLLED_IN_TRAINING if training else _UNROLLED

    def several(n, *state):
        for k in range(unrolled):
            state = step(n + k, *state)
        return (n + unrolled, *state)

    def single(n, *state):
        return (n + 1, *step(n, *state))

    n = 0
    if unrolled > 1:
        n, *state = tf.while_loop(
            lambda n, *_: n <= steps - unrolled, several, (0, *state), parallel_iterations=_PARALLEL
        )
    _, *state = tf.while_loop(
        lambda n, *_: n < steps, single, (n, *state), parallel_iterations=_PARALLEL
    )
    return tuple(state)


def steps_of(sequence):
    """Returns how many steps are run: with no rows just one, for a stack cannot be empty."""
    time, batch = tf.unstack(tf.shape(sequence)[:2])
    return tf.where(batch > 0, time, tf.minimum(time, 1))


def array(steps, size: int, dtype) -> tf.TensorArray:
    """Returns room for `steps` tensors `[batch, size]`, each written once and read at will."""
    return tf.TensorArray(dtype, steps, element_shape=[None, size], clear_after_read=False)


def by_step(sequence) -> tf.TensorArray:
    """Returns what `read(t)` gives one step of, without a copy: fewer operations than a slice."""
    room = array(tf.shape(sequence)[0], sequence.shape[2], sequence.dtype)
    return room.unstack(sequence)


def stack(room: tf.TensorArray, like):
    """Returns what was written as one tensor, with the time and batch of `like`."""
    return tf.reshape(room.stack(), [*_sizes(like), room.element_shape[1]])


def dtypes(cell) -> tuple:
    """Returns the type of the matrix products and the type of gates and memory."""
    dtype = tf.as_dtype(cell.compute_dtype)
    return dtype, tf.float32 if dtype.size == 2 else dtype


def by_gate(gates: str, weights, transposed: bool = False) -> dict:
    """Returns the columns that each gate has in `weights`, by the letter of the gate.

    Args:
        gates: a letter for each, in the order of the columns.
        weights: `[…, G · units]`.
        transposed: whether to return them transposed.
    """
    columns = tf.split(weights, len(gates), axis=-1)
    if transposed:
        columns = [tf.transpose(c) for c in columns]
    return dict(zip(gates, columns))


def joined(gates: str, d_sums: dict, gradient):
    """Returns the gradient of weights that have columns for each gate, the way `by_gate` has them.

    Args:
        gates: as of `by_gate`.
        d_sums: the gradients of the gates' sums, by gate.
        gradient: computes from such a gradient that of the gate's columns.
    """
    return tf.concat([gradient(d_sums[gate]) for gate in gates], axis=-1)


def product(sequence, kernel):
    """Multiplies every step by a kernel, as one product of matrices.

    Args:
        sequence: `[time, batch, features]`.
        kernel: `[features, width]`.

    Returns:
        `[time, batch, width]`.
    """
    rows = tf.matmul(tf.reshape(sequence, [-1, kernel.shape[0]]), kernel)
    return tf.reshape(rows, [*_sizes(sequence), kernel.shape[1]])


def _sizes(sequence) -> list:
    """Returns time and batch; as numbers, where they are known: a loop may not lose them."""
    return [
        known or size for known, size in zip(sequence.shape[:2], tf.unstack(tf.shape(sequence)[:2]))
    ]


def kernel_gradient(before, after):
    """Sums `beforeᵀ · after` over all steps and rows, as one product of matrices."""
    before, after = (tf.reshape(x, [-1, x.shape[2]]) for x in (before, after))
    return tf.matmul(before, after, transpose_a=True)


def bias_gradient(after):
    """Sums over all steps and rows; 16-bit numbers are added up in 32."""
    wide = tf.float32 if after.dtype.size == 2 else after.dtype
    return tf.cast(tf.reduce_sum(tf.cast(after, wide), axis=[0, 1]), after.dtype)


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


def time_major(tensor, dtype):
    """Returns `[batch, time, …]` as `[time, batch, …]`; a mask with a third axis of 1."""
    if tensor.shape.rank == 2:
        tensor = tensor[:, :, None]
    return tf.transpose(tf.cast(tensor, dtype), [1, 0, 2])


def as_returned(outputs, mask, reverse: bool):
    """Returns outputs `[batch, time, size]`: zeros at masked steps before the first real one."""
    outputs = tf.transpose(outputs, [1, 0, 2])
    if mask is None:
        return outputs
    begun = tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=reverse) > 0  # [batch, time]
    return tf.where(begun[:, :, None], outputs, tf.zeros([], outputs.dtype))
