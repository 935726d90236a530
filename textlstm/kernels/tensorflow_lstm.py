"""The kernel of `LSTMCell` for TensorFlow: a whole sequence, and its gradient, in stock operations.

What makes it fast, against a loop over the cell that TensorFlow differentiates itself:

- The product with the inputs is one large product for all steps, before the loop.
- The gradient is a loop of its own, with one product a step by a kernel that is transposed once;
  the gradient of the kernel is one large product over all steps, behind the loop.
- All gates come out of one tanh, for σ(x) = (tanh(x / 2) + 1) / 2: what the weights give to σ is
  halved before the loop. The gradient of tanh is one operation of TensorFlow's.
- Masks cost next to nothing. Before the loop, the sums of masked steps are made so large that
  i = 0, f = 1 and o = 0 exactly: then c is copied, and every gradient of the step is 0, by
  themselves. Only h has to be chosen.
- The gates are kept for the gradient while training only. A gradient that is asked for nevertheless
  (that of a saliency map, say) runs the loop forward once more.
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


def run_lstm(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs an `LSTMCell` over a sequence; arguments and result are those of `scan`."""
    dtype, memory_dtype = dtypes(cell)

    def columns(other: float, **of_symbols: float):
        """Returns `[G · units]`, one number for all columns of a gate."""
        numbers = [of_symbols.get(symbol, other) for symbol in cell.symbols]
        return tf.repeat(tf.constant(numbers, dtype), cell.units)

    halved = columns(0.5, c=1.0)
    kernel = halved * tf.cast(cell.kernel, dtype)
    recurrent_kernel = halved * tf.cast(cell.recurrent_kernel, dtype)
    bias = None if cell.bias is None else halved * tf.cast(cell.bias, dtype)
    extra = {}  # the weights of the variants
    if cell.peephole:
        extra["peephole"] = 0.5 * tf.cast(cell.peephole_kernel, memory_dtype)
    if cell.proj_size:
        extra["projection"] = tf.cast(cell.projection_kernel, dtype)

    projected = project(inputs, kernel, bias)  # [time, batch, G · units]
    if mask is not None:
        closed = columns(-SATURATED, f=SATURATED, c=0.0)
        projected = tf.where(time_major(mask), projected, closed)
    sequence = _Sequence(cell, mask, reverse)

    @tf.custom_gradient
    def run(*tensors):
        outputs, h, c, kept = sequence.forward(*tensors, keep=bool(training))

        def gradient(*d_results):
            gates = kept or sequence.forward(*tensors, keep=True)[-1]
            return sequence.backward(tensors, outputs, c, gates, d_results)

        return (outputs, h, c), gradient

    h_0, c_0 = tf.cast(initial_state[0], dtype), tf.cast(initial_state[1], memory_dtype)
    outputs, h, c = run(projected, recurrent_kernel, h_0, c_0, extra)
    return as_returned(outputs, mask, reverse), [h, tf.cast(c, dtype)]


class _Sequence:
    """The two loops over one batch of sequences, forward and backward.

    Args:
        cell: the `LSTMCell`.
        mask: bool `[batch, time]`, or `None`.
        reverse: whether the last step in time is run first.
    """

    def __init__(self, cell, mask, reverse: bool):
        self.symbols = cell.symbols  # of the gates: "ifco", or "fco" where they are coupled
        self.units = cell.units
        self.output_size = cell.output_size
        self.dtype, self.memory_dtype = dtypes(cell)
        self.reverse = reverse
        self.is_real = None
        if mask is not None:
            shape = [*tf.unstack(tf.shape(mask)[::-1]), cell.output_size]
            self.is_real = tf.broadcast_to(time_major(mask), shape)  # [time, batch, size of h]
        # σ = scale · tanh + shift, and the candidate is tanh itself.
        by_symbol = [(1.0, 0.0) if symbol == "c" else (0.5, 0.5) for symbol in cell.symbols]
        self.scale, self.shift = (
            tf.repeat(tf.constant(numbers, self.memory_dtype), cell.units)
            for numbers in zip(*by_symbol)
        )

    def forward(self, projected, recurrent_kernel, h, c, extra, *, keep: bool):
        """Runs all steps.

        Args:
            projected: the halved sums without the part of h, `[time, batch, G · units]`.
            recurrent_kernel: `[size of h, G · units]`, halved likewise.
            h: the first state, `[batch, size of h]`.
            c: the first memory, `[batch, units]`.
            extra: the weights of the variants: "peephole" `[G - 1, units]`, halved; "projection"
                `[units, size of h]`.
            keep: whether what the gradient needs is kept.

        Returns:
            `(outputs, h, c, kept)`: `[time, batch, size of h]`, the last states, and the tanhs, the
            memories before each step in the order of the steps, and with a projection o ⊙ tanh(c).
        """
        steps = tf.shape(projected)[0]
        sums = unstack(projected)
        is_real = None if self.is_real is None else unstack(self.is_real)

        def step(n, h, c, outputs, *kept):
            t = steps - 1 - n if self.reverse else n
            z = tf.cast(sums.read(t) + tf.matmul(h, recurrent_kernel), self.memory_dtype)
            tanhs, gate, new_c = self._gates_and_memory(z, c, extra.get("peephole"))
            shown = tf.cast(gate["o"] * tf.tanh(new_c), self.dtype)  # [batch, units]
            new_h = tf.matmul(shown, extra["projection"]) if "projection" in extra else shown
            if is_real is not None:
                new_h = tf.where(is_real.read(t), new_h, h)
            values = zip((t, n, t), (tanhs, c, shown))
            kept = [room.write(at, value) for room, (at, value) in zip(kept, values)]
            return (new_h, new_c, outputs.write(t, new_h), *kept)

        kept = []
        if keep:
            kept.append(array(steps, len(self.symbols) * self.units, self.memory_dtype))
            kept.append(array(steps, self.units, self.memory_dtype))
        if keep and "projection" in extra:
            kept.append(array(steps, self.units, self.dtype))
        outputs = array(steps, self.output_size, self.dtype)
        h, c, outputs, *kept = loop(steps, step, (h, c, outputs, *kept))
        return outputs.stack(), h, c, kept

    def backward(self, tensors, outputs, c, kept, d_results):
        """Computes the gradients of what `forward` was given, in its order.

        Args:
            tensors: those arguments of `forward`.
            outputs: its result.
            c: its last memory, `[batch, units]`.
            kept: what it kept.
            d_results: the gradients of outputs, h and c.
        """
        _, recurrent_kernel, h_0, _, extra = tensors
        tanhs, memories, *shown = kept
        d_outputs, d_h, d_c = d_results
        steps = tf.shape(outputs)[0]
        d_outputs = unstack(d_outputs)
        is_real = None if self.is_real is None else unstack(self.is_real)
        back = tf.transpose(recurrent_kernel)
        if "projection" in extra:
            project_back = tf.transpose(extra["projection"])
        peeps = self._by_symbol(extra.get("peephole"))

        def step(n, d_h, d_c, c, d_sums, *d_hs):
            t = n if self.reverse else steps - 1 - n
            d_h += tf.cast(d_outputs.read(t), self.memory_dtype)
            d_shown = d_h  # [batch, units]
            if "projection" in extra:
                d_projected = tf.cast(d_h, self.dtype)
                d_hs = [room.write(t, d_projected) for room in d_hs]
                d_shown = tf.cast(tf.matmul(d_projected, project_back), self.memory_dtype)
            tanhs_t, c_before = tanhs.read(t), memories.read(steps - 1 - n)
            gate = self._gates(tanhs_t)
            tanh_c = tf.tanh(c)
            d_o = d_shown * tanh_c
            d_c += _tanh_gradient(tanh_c, d_shown * gate["o"])
            if peeps:
                tanh_o = tanhs_t[:, -self.units :]
                d_c += peeps["o"] * _tanh_gradient(tanh_o, 0.5 * d_o)
            d_gate = {"c": d_c * gate["i"], "o": d_o}
            if "i" in self.symbols:
                d_gate |= {"i": d_c * gate["c"], "f": d_c * c_before}
            else:
                d_gate["f"] = d_c * (c_before - gate["c"])
            d_gates = tf.concat([d_gate[symbol] for symbol in self.symbols], axis=1)
            d_z = _tanh_gradient(tanhs_t, self.scale * d_gates)  # [batch, G · units]
            d_c *= gate["f"]
            if peeps:
                d_part = dict(zip(self.symbols, tf.split(d_z, len(self.symbols), axis=1)))
                d_c += sum(d_part[symbol] * peeps[symbol] for symbol in peeps if symbol != "o")
            d_z = tf.cast(d_z, self.dtype)
            d_h_before = tf.cast(tf.matmul(d_z, back), self.memory_dtype)
            if is_real is not None:
                d_h_before = tf.where(is_real.read(t), d_h_before, d_h)
            return (d_h_before, d_c, c_before, d_sums.write(t, d_z), *d_hs)

        d_sums = array(steps, len(self.symbols) * self.units, self.dtype)
        d_hs = [array(steps, self.output_size, self.dtype)] if "projection" in extra else []
        d_h = tf.cast(d_h, self.memory_dtype)
        d_h, d_c, _, d_sums, *d_hs = loop(steps, step, (d_h, d_c, c, d_sums, *d_hs))
        d_sums = d_sums.stack()  # [time, batch, G · units]
        d_kernel = weight_gradient(states_before(outputs, h_0, self.reverse), d_sums)
        d_extra = {}
        if "peephole" in extra:
            d_extra["peephole"] = self._peephole_gradient(d_sums, memories.stack(), c)
        if "projection" in extra:
            d_extra["projection"] = weight_gradient(shown[0].stack(), d_hs[0].stack())
        return d_sums, d_kernel, tf.cast(d_h, self.dtype), d_c, d_extra

    def _gates_and_memory(self, z, c, peephole) -> tuple:
        """Computes the tanhs of the sums `z`, the gates and the new memory."""
        if peephole is None:
            tanhs = tf.tanh(z)
            gate = self._gates(tanhs)
            return tanhs, gate, gate["f"] * c + gate["i"] * gate["c"]
        peeps = self._by_symbol(peephole)
        zs = dict(zip(self.symbols, tf.split(z, len(self.symbols), axis=1)))
        tanh = {s: tf.tanh(zs[s] + peeps[s] * c if s in peeps else zs[s]) for s in zs if s != "o"}
        f = 0.5 * tanh["f"] + 0.5
        i = 0.5 * tanh["i"] + 0.5 if "i" in tanh else 1 - f
        new_c = f * c + i * tanh["c"]
        tanh["o"] = tf.tanh(zs["o"] + peeps["o"] * new_c)  # o sees the new memory
        gate = {"i": i, "f": f, "c": tanh["c"], "o": 0.5 * tanh["o"] + 0.5}
        return tf.concat([tanh[symbol] for symbol in self.symbols], axis=1), gate, new_c

    def _gates(self, tanhs) -> dict:
        """Takes the tanhs of the halved sums, `[batch, G · units]`, to the gates by symbol."""
        gates = tf.split(self.scale * tanhs + self.shift, len(self.symbols), axis=1)
        gate = dict(zip(self.symbols, gates))
        return gate if "i" in gate else {**gate, "i": 1 - gate["f"]}

    def _by_symbol(self, peephole) -> dict:
        """Returns the rows of the peephole weights by the symbol of their gate."""
        symbols = self.symbols.replace("c", "")
        return {} if peephole is None else dict(zip(symbols, tf.unstack(peephole, len(symbols))))

    def _peephole_gradient(self, d_sums, memories, last):
        """Sums over all steps and rows what each peephole passed on, `[G - 1, units]`."""
        after = tf.concat([memories[1:], last[None]], axis=0)
        if self.reverse:  # from the order of the steps to that of time
            memories, after = memories[::-1], after[::-1]
        d_sums = tf.split(tf.cast(d_sums, self.memory_dtype), len(self.symbols), axis=2)
        return tf.stack(
            [
                tf.reduce_sum(d_z * (after if symbol == "o" else memories), axis=[0, 1])
                for symbol, d_z in zip(self.symbols, d_sums)
                if symbol != "c"
            ]
        )


def _tanh_gradient(tanh, d_tanh):
    """Returns the gradient of x, given tanh(x) and the gradient of that."""
    return tf.raw_ops.TanhGrad(y=tanh, dy=d_tanh)
