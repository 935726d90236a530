"""The kernel of `GRUCell` for TensorFlow: a whole sequence, and its gradient, in stock operations.

It does what the kernel of `LSTMCell` does (see `tensorflow_lstm.py`). Masks cost nothing in the
loop: where the sum of the update gate is so large that z = 1 exactly, h is copied, and every
gradient of the step is 0, by themselves.
"""

import tensorflow as tf

from textlstm.kernels.tensorflow_loop import (
    SATURATED,
    array,
    as_returned,
    dtypes,
    loop,
    project,
    states_before,
    time_major,
    unstack,
    weight_gradient,
)


def run_gru(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs a `GRUCell` with `reset_after` over a sequence; arguments and result as of `scan`."""
    dtype, state_dtype = dtypes(cell)
    kernel, recurrent_kernel = tf.cast(cell.kernel, dtype), tf.cast(cell.recurrent_kernel, dtype)
    if cell.bias is None:
        bias, recurrent_bias = None, tf.zeros([3 * cell.units], dtype)
    else:
        bias, recurrent_bias = tf.unstack(tf.cast(cell.bias, dtype))

    projected = project(inputs, kernel, bias)  # [time, batch, 3 · units]
    if mask is not None:
        kept = tf.repeat(tf.constant([SATURATED, 0.0, 0.0], dtype), cell.units)
        projected = tf.where(time_major(mask), projected, kept)
    sequence = _Sequence(cell, reverse)

    @tf.custom_gradient
    def run(*tensors):
        outputs, h, kept = sequence.forward(*tensors, keep=bool(training))

        def gradient(*d_results):
            gates = kept or sequence.forward(*tensors, keep=True)[-1]
            return sequence.backward(tensors, outputs, gates, d_results)

        return (outputs, h), gradient

    h_0 = tf.cast(initial_state[0], state_dtype)
    outputs, h = run(projected, recurrent_kernel, recurrent_bias, h_0)
    return as_returned(tf.cast(outputs, dtype), mask, reverse), [tf.cast(h, dtype)]


class _Sequence:
    """The two loops over one batch of sequences, forward and backward.

    Args:
        cell: the `GRUCell`.
        reverse: whether the last step in time is run first.
    """

    def __init__(self, cell, reverse: bool):
        self.units = cell.units
        self.dtype, self.state_dtype = dtypes(cell)
        self.reverse = reverse

    def forward(self, projected, recurrent_kernel, recurrent_bias, h, *, keep: bool):
        """Runs all steps.

        Args:
            projected: the sums without the part of h, `[time, batch, 3 · units]`.
            recurrent_kernel: `[units, 3 · units]`.
            recurrent_bias: `[3 · units]`.
            h: the first state, `[batch, units]`.
            keep: whether what the gradient needs is kept.

        Returns:
            `(outputs, h, kept)`: `[time, batch, units]`, the last state, and of every step z and r
            side by side, the candidate, and what the reset gate was applied to.
        """
        u = self.units
        steps = tf.shape(projected)[0]
        sums_zr, sums_g = unstack(projected[..., : 2 * u]), unstack(projected[..., 2 * u :])

        def step(n, h, outputs, *kept):
            t = steps - 1 - n if self.reverse else n
            product = tf.matmul(tf.cast(h, self.dtype), recurrent_kernel) + recurrent_bias
            product_zr, product_g = tf.split(product, [2 * u, u], axis=1)
            zr = tf.sigmoid(tf.cast(sums_zr.read(t) + product_zr, self.state_dtype))
            z, r = tf.split(zr, 2, axis=1)
            product_g = tf.cast(product_g, self.state_dtype)
            g = tf.tanh(tf.cast(sums_g.read(t), self.state_dtype) + r * product_g)
            new_h = z * h + (1 - z) * g  # where z is 1 this is h, to the last digit
            kept = [room.write(t, value) for room, value in zip(kept, (zr, g, product_g))]
            return (new_h, outputs.write(t, new_h), *kept)

        sizes = (2 * u, u, u) if keep else ()
        rooms = [array(steps, size, self.state_dtype) for size in (u, *sizes)]
        h, outputs, *kept = loop(steps, step, (h, *rooms))
        return outputs.stack(), h, kept

    def backward(self, tensors, outputs, kept, d_results):
        """Computes the gradients of what `forward` was given, in its order.

        Args:
            tensors: those arguments of `forward`.
            outputs: its result.
            kept: what it kept.
            d_results: the gradients of outputs and h.
        """
        _, recurrent_kernel, _, h_0 = tensors
        zrs, gs, products = kept
        d_outputs, d_h = d_results
        u = self.units
        steps = tf.shape(outputs)[0]
        before = states_before(outputs, h_0, self.reverse)  # [time, batch, units]
        hs, d_outputs = unstack(before), unstack(d_outputs)
        back = tf.transpose(recurrent_kernel)

        def step(n, d_h, d_products, d_sums_g):
            t = n if self.reverse else steps - 1 - n
            d_h += d_outputs.read(t)
            zr, g = zrs.read(t), gs.read(t)
            z, r = tf.split(zr, 2, axis=1)
            d_kept = d_h * z
            d_sum_g = tf.raw_ops.TanhGrad(y=g, dy=d_h - d_kept)
            d_zr = tf.concat([d_h * (hs.read(t) - g), d_sum_g * products.read(t)], axis=1)
            d_zr = tf.raw_ops.SigmoidGrad(y=zr, dy=d_zr)
            d_product = tf.cast(tf.concat([d_zr, d_sum_g * r], axis=1), self.dtype)
            d_h = d_kept + tf.cast(tf.matmul(d_product, back), self.state_dtype)
            d_sum_g = tf.cast(d_sum_g, self.dtype)
            return d_h, d_products.write(t, d_product), d_sums_g.write(t, d_sum_g)

        rooms = array(steps, 3 * u, self.dtype), array(steps, u, self.dtype)
        d_h, d_products, d_sums_g = loop(steps, step, (d_h, *rooms))
        d_products = d_products.stack()  # [time, batch, 3 · units]
        d_projected = tf.concat([d_products[..., : 2 * u], d_sums_g.stack()], axis=2)
        d_kernel = weight_gradient(tf.cast(before, self.dtype), d_products)
        return d_projected, d_kernel, tf.reduce_sum(d_products, axis=[0, 1]), d_h
