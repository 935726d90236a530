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
    bias_gradient,
    dtypes,
    kernel_gradient,
    loop,
    product,
    run_with_gradient,
    stack,
    states_before,
    steps_of,
    time_major,
)


def run_gru(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs a `GRUCell` with `reset_after` over a sequence; arguments and result as of `scan`."""
    dtype, state_dtype = dtypes(cell)
    tensors = {
        "inputs": time_major(inputs, dtype),
        "kernel": tf.cast(cell.kernel, dtype),
        "recurrent_kernel": tf.cast(cell.recurrent_kernel, dtype),
        "h": tf.cast(initial_state[0], state_dtype),
    }
    if cell.bias is not None:
        tensors["bias"], tensors["recurrent_bias"] = tf.unstack(tf.cast(cell.bias, dtype))
    outputs, h = run_with_gradient(_Sequence(cell, mask, reverse), tensors, training)
    return as_returned(tf.cast(outputs, dtype), mask, reverse), [tf.cast(h, dtype)]


class _Sequence:
    """The two loops over one batch of sequences, forward and backward.

    Args:
        cell: the `GRUCell`.
        mask: bool `[batch, time]`, or `None`.
        reverse: whether the last step in time is run first.
    """

    def __init__(self, cell, mask, reverse: bool):
        self.units = cell.units
        self.dtype, self.state_dtype = dtypes(cell)
        self.reverse = reverse
        self.is_real = None if mask is None else time_major(mask, tf.bool)  # [time, batch, 1]
        kept = tf.constant([SATURATED, 0.0], self.dtype)
        self.keeping = tf.repeat(kept, cell.units)  # sums of z and r that keep h

    def forward(self, tensors: dict, *, keep: bool):
        """Runs all steps.

        Args:
            tensors: "inputs" `[time, batch, features]`, "kernel" `[features, 3 · units]`,
                "recurrent_kernel" `[units, 3 · units]`, the first state "h" `[batch, units]`; if
                the cell has biases "bias" and "recurrent_bias", `[3 · units]` each.
            keep: whether what the gradient needs is kept.

        Returns:
            `(outputs, h)`: `[time, batch, units]` and the last state; and what was kept, by name:
            the factors of `backward`.
        """
        u = self.units
        inputs, recurrent_kernel = tensors["inputs"], tensors["recurrent_kernel"]
        # Two products, for parts of one would have to be copied at every step.
        sums_zr = product(inputs, tensors["kernel"][:, : 2 * u])
        sums_g = product(inputs, tensors["kernel"][:, 2 * u :])
        if "bias" in tensors:
            sums_zr += tensors["bias"][: 2 * u]
            sums_g += tensors["bias"][2 * u :]
        if self.is_real is not None:
            sums_zr = tf.where(self.is_real, sums_zr, self.keeping)
        steps = steps_of(inputs)

        def step(n, h, outputs, kept):
            t = steps - 1 - n if self.reverse else n
            recurrent = tf.matmul(tf.cast(h, self.dtype), recurrent_kernel)
            if "recurrent_bias" in tensors:
                recurrent += tensors["recurrent_bias"]
            recurrent_zr, recurrent_g = tf.split(recurrent, [2 * u, u], axis=1)
            zr = tf.sigmoid(tf.cast(sums_zr[t] + recurrent_zr, self.state_dtype))
            z, r = tf.split(zr, 2, axis=1)
            recurrent_g = tf.cast(recurrent_g, self.state_dtype)
            g = tf.tanh(tf.cast(sums_g[t], self.state_dtype) + r * recurrent_g)
            new_share, difference = 1 - z, h - g
            new_h = h - new_share * difference  # where z is 1 this is h, to the last digit
            if keep:
                values = self._factors(zr, r, g, recurrent_g, new_share, difference)
                values["state"] = z
                kept = {name: room.write(t, values[name]) for name, room in kept.items()}
            return new_h, outputs.write(t, new_h), kept

        kept = {}
        if keep:
            sizes = {"recurrent": 3, "candidate": 1, "state": 1}
            kept = {name: array(steps, k * u, self.state_dtype) for name, k in sizes.items()}
        outputs = array(steps, u, self.state_dtype)
        h, outputs, kept = loop(steps, step, (tensors["h"], outputs, kept), training=keep)
        return (stack(outputs, inputs), h), kept

    def _factors(self, zr, r, g, recurrent_g, new_share, difference) -> dict:
        """Computes what a step multiplies gradients by, while its gates are at hand.

        With dh the gradient of h after the step, σ' = σ (1 - σ) and tanh' = 1 - tanh²:

            of h ·     dh ⊙ "recurrent"   (h - g) ⊙ σ'(z), "candidate" ⊙ Ug h ⊙ σ'(r),
            (Uz,Ur,Ug)                    "candidate" ⊙ r
            of Wg x    dh ⊙ "candidate"   (1 - z) ⊙ tanh'
            of h       dh ⊙ "state"       z, besides what comes through the products
        """
        candidate = tf.raw_ops.TanhGrad(y=g, dy=new_share)
        of_zr = tf.concat([difference, candidate * recurrent_g], axis=1)
        of_zr = tf.raw_ops.SigmoidGrad(y=zr, dy=of_zr)
        return {"recurrent": tf.concat([of_zr, candidate * r], axis=1), "candidate": candidate}

    def backward(self, tensors: dict, results, kept, d_results) -> dict:
        """Computes the gradients of what `forward` was given, by name.

        Args:
            tensors: what it was given.
            results: what it returned.
            kept: what it kept.
            d_results: the gradients of outputs and h.
        """
        outputs, _ = results
        d_outputs, d_h = d_results
        inputs, u = tensors["inputs"], self.units
        back = tf.transpose(tensors["recurrent_kernel"])
        steps = steps_of(inputs)

        def step(n, d_h, d_recurrents, d_candidates):
            t = n if self.reverse else steps - 1 - n
            d_h += d_outputs[t]
            d_recurrent = tf.concat([d_h] * 3, axis=1) * kept["recurrent"].read(t)
            d_recurrent = tf.cast(d_recurrent, self.dtype)  # [batch, 3 · units]
            d_candidate = tf.cast(d_h * kept["candidate"].read(t), self.dtype)
            d_h = d_h * kept["state"].read(t)
            d_h += tf.cast(tf.matmul(d_recurrent, back), self.state_dtype)
            rooms = d_recurrents.write(t, d_recurrent), d_candidates.write(t, d_candidate)
            return d_h, *rooms

        rooms = array(steps, 3 * u, self.dtype), array(steps, u, self.dtype)
        d_h, d_recurrents, d_candidates = loop(steps, step, (d_h, *rooms), training=True)

        d_recurrents = stack(d_recurrents, inputs)  # [time, batch, 3 · units]
        d_sums = tf.concat([d_recurrents[..., : 2 * u], stack(d_candidates, inputs)], axis=2)
        before = tf.cast(states_before(outputs, tensors["h"], self.reverse), self.dtype)
        gradients = {
            "inputs": product(d_sums, tf.transpose(tensors["kernel"])),
            "kernel": kernel_gradient(inputs, d_sums),
            "recurrent_kernel": kernel_gradient(before, d_recurrents),
            "h": d_h,
        }
        if "bias" in tensors:
            gradients["bias"] = bias_gradient(d_sums)
            gradients["recurrent_bias"] = bias_gradient(d_recurrents)
        return gradients
