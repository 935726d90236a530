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
    by_gate,
    by_step,
    dtypes,
    joined,
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


_GATES = "zrg"


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
        inputs = tensors["inputs"]
        sums = {gate: by_step(z) for gate, z in self._sums_of_inputs(tensors).items()}
        recurrent_kernels = by_gate(_GATES, tensors["recurrent_kernel"])
        bias_g = None
        if "recurrent_bias" in tensors:
            bias_g = by_gate(_GATES, tensors["recurrent_bias"])["g"]
        steps = steps_of(inputs)

        def step(n, h, outputs, kept):
            t = steps - 1 - n if self.reverse else n
            recalled = tf.cast(h, self.dtype)
            recurrent = {s: tf.matmul(recalled, kernel) for s, kernel in recurrent_kernels.items()}
            z, r = (
                tf.sigmoid(tf.cast(sums[s].read(t) + recurrent[s], self.state_dtype)) for s in "zr"
            )
            recurrent_g = recurrent["g"]
            if bias_g is not None:
                recurrent_g += bias_g
            recurrent_g = tf.cast(recurrent_g, self.state_dtype)
            g = tf.tanh(tf.cast(sums["g"].read(t), self.state_dtype) + r * recurrent_g)
            new_share, difference = 1 - z, h - g
            new_h = h - new_share * difference  # where z is 1 this is h, to the last digit
            if keep:
                values = self._factors(z, r, g, recurrent_g, new_share, difference)
                kept = {name: room.write(t, values[name]) for name, room in kept.items()}
            return new_h, outputs.write(t, new_h), kept

        kept = {}
        if keep:
            names = [*_GATES, "candidate", "state"]
            kept = {name: array(steps, self.units, self.state_dtype) for name in names}
        outputs = array(steps, self.units, self.state_dtype)
        h, outputs, kept = loop(steps, step, (tensors["h"], outputs, kept), training=keep)
        return (stack(outputs, inputs), h), kept

    def _sums_of_inputs(self, tensors: dict) -> dict:
        """Computes what a gate's sum gets from the inputs, `[time, batch, units]`, by gate."""
        kernels = by_gate(_GATES, tensors["kernel"])
        sums = {gate: product(tensors["inputs"], kernel) for gate, kernel in kernels.items()}
        if "bias" in tensors:
            biases = by_gate(_GATES, tensors["bias"])
            recurrent_biases = by_gate(_GATES, tensors["recurrent_bias"])
            for gate in "zr":  # that of g is multiplied by r
                biases[gate] += recurrent_biases[gate]
            sums = {gate: sums[gate] + biases[gate] for gate in sums}
        if self.is_real is not None:
            sums["z"] = tf.where(self.is_real, sums["z"], tf.constant(SATURATED, self.dtype))
            sums["r"] = tf.where(self.is_real, sums["r"], tf.zeros([], self.dtype))
        return sums

    def _factors(self, z, r, g, recurrent_g, new_share, difference) -> dict:
        """Computes what a step multiplies gradients by, while its gates are at hand.

        With dh the gradient of h after the step, σ' = σ (1 - σ) and tanh' = 1 - tanh²:

            of h · Uz    dh ⊙ "z"            (h - g) ⊙ σ'(z)
            of h · Ur    dh ⊙ "r"            "candidate" ⊙ Ug h ⊙ σ'(r)
            of h · Ug    dh ⊙ "g"            "candidate" ⊙ r
            of Wg x      dh ⊙ "candidate"    (1 - z) ⊙ tanh'
            of h         dh ⊙ "state"        z, besides what comes through the products
        """
        candidate = tf.raw_ops.TanhGrad(y=g, dy=new_share)
        return {
            "z": tf.raw_ops.SigmoidGrad(y=z, dy=difference),
            "r": tf.raw_ops.SigmoidGrad(y=r, dy=candidate * recurrent_g),
            "g": candidate * r,
            "candidate": candidate,
            "state": z,
        }

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
        d_outputs = by_step(d_outputs)
        inputs = tensors["inputs"]
        back = by_gate(_GATES, tensors["recurrent_kernel"], transposed=True)
        steps = steps_of(inputs)

        def step(n, d_h, rooms):
            t = n if self.reverse else steps - 1 - n
            d_h += d_outputs.read(t)
            d = {name: tf.cast(d_h * kept[name].read(t), self.dtype) for name in rooms}
            d_before = tf.add_n([tf.matmul(d[gate], back[gate]) for gate in _GATES])
            d_h = d_h * kept["state"].read(t) + tf.cast(d_before, self.state_dtype)
            return d_h, {name: room.write(t, d[name]) for name, room in rooms.items()}

        rooms = {name: array(steps, self.units, self.dtype) for name in (*_GATES, "candidate")}
        d_h, rooms = loop(steps, step, (d_h, rooms), training=True)

        d_recurrents = {name: stack(room, inputs) for name, room in rooms.items()}
        d_sums = {**d_recurrents, "g": d_recurrents.pop("candidate")}
        del d_sums["candidate"]
        before = tf.cast(states_before(outputs, tensors["h"], self.reverse), self.dtype)
        kernels = by_gate(_GATES, tensors["kernel"], transposed=True)
        gradients = {
            "inputs": tf.add_n([product(d_sums[gate], kernels[gate]) for gate in _GATES]),
            "kernel": joined(_GATES, d_sums, lambda d: kernel_gradient(inputs, d)),
            "recurrent_kernel": joined(_GATES, d_recurrents, lambda d: kernel_gradient(before, d)),
            "h": d_h,
        }
        if "bias" in tensors:
            gradients["bias"] = joined(_GATES, d_sums, bias_gradient)
            gradients["recurrent_bias"] = joined(_GATES, d_recurrents, bias_gradient)
        return gradients
