"""The kernel of `LSTMCell` for TensorFlow: a whole sequence, and its gradient, in stock operations.

What makes it fast, against a loop over the cell that TensorFlow differentiates itself:

- The product with the inputs is one large product for all steps, before the loop.
- All gates come out of one tanh, for σ(x) = (tanh(x / 2) + 1) / 2: what the weights give to σ is
  halved before the loop. The gradient of tanh is one operation of TensorFlow's.
- The gradient is a loop of its own. A gradient is linear in what it is given, so a step back only
  multiplies by factors that the loop forward worked out while its gates were at hand; peepholes and
  coupled gates are within the factors. What stays is one product by a kernel that is transposed
  once; the gradients of kernels and inputs are one large product each, behind the loop.
- Masks cost next to nothing. Before the loop, the sums of masked steps are made so large that
  i = 0, f = 1 and o = 0 exactly: then c is copied, and every gradient of the step is 0, by
  themselves. Only h has to be added to nothing. (To choose it by `tf.where` takes far longer.)
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


def run_lstm(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs an `LSTMCell` over a sequence; arguments and result are those of `scan`."""
    dtype, memory_dtype = dtypes(cell)
    halved = _columns(cell, dtype, 0.5, c=1.0)
    tensors = {
        "inputs": time_major(inputs, dtype),
        "kernel": halved * tf.cast(cell.kernel, dtype),
        "recurrent_kernel": halved * tf.cast(cell.recurrent_kernel, dtype),
        "h": tf.cast(initial_state[0], dtype),
        "c": tf.cast(initial_state[1], memory_dtype),
    }
    if cell.bias is not None:
        tensors["bias"] = halved * tf.cast(cell.bias, dtype)
    if cell.peephole:
        tensors["peephole"] = 0.5 * tf.cast(cell.peephole_kernel, memory_dtype)
    if cell.proj_size:
        tensors["projection"] = tf.cast(cell.projection_kernel, dtype)
    outputs, h, c = run_with_gradient(_Sequence(cell, mask, reverse), tensors, training)
    return as_returned(outputs, mask, reverse), [h, tf.cast(c, dtype)]


def _columns(cell, dtype, other: float, **of_symbols: float):
    """Returns `[G · units]`, one number for all columns of a gate."""
    numbers = [of_symbols.get(symbol, other) for symbol in cell.symbols]
    return tf.repeat(tf.constant(numbers, dtype), cell.units)


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
        # σ = scale · tanh + shift, and the candidate is tanh itself.
        self.scale = _columns(cell, self.memory_dtype, 0.5, c=1.0)
        self.shift = _columns(cell, self.memory_dtype, 0.5, c=0.0)
        self.closed = _columns(cell, self.dtype, -SATURATED, f=SATURATED, c=0.0)
        self.is_real = None
        if mask is not None:
            self.is_real = time_major(mask, tf.bool)  # [time, batch, 1]
            self.copies = tf.cast(~self.is_real, self.dtype)

    def forward(self, tensors: dict, *, keep: bool):
        """Runs all steps.

        Args:
            tensors: "inputs" `[time, batch, features]`; "kernel" `[features, G · units]`,
                "recurrent_kernel" `[size of h, G · units]` and "bias" `[G · units]`, halved; the
                first states "h" `[batch, size of h]` and "c" `[batch, units]`; "peephole"
                `[G - 1, units]`, halved; "projection" `[units, size of h]`. Bias, peephole and
                projection only if the cell has them.
            keep: whether what the gradient needs is kept.

        Returns:
            `(outputs, h, c)`: `[time, batch, size of h]` and the last states; and what was kept, by
            name: the factors of `backward`, c before each step for peepholes, and o ⊙ tanh(c) for
            a projection. It is in the order of time.
        """
        inputs, recurrent_kernel = tensors["inputs"], tensors["recurrent_kernel"]
        sums = product(inputs, tensors["kernel"])  # [time, batch, G · units], without h's part
        if "bias" in tensors:
            sums += tensors["bias"]
        if self.is_real is not None:
            sums = tf.where(self.is_real, sums, self.closed)
        steps = steps_of(inputs)

        def step(n, h, c, outputs, kept):
            t = steps - 1 - n if self.reverse else n
            z = tf.cast(sums[t] + tf.matmul(h, recurrent_kernel), self.memory_dtype)
            tanhs, gate, new_c = self._gates_and_memory(z, c, tensors.get("peephole"))
            tanh_c = tf.tanh(new_c)
            shown = tf.cast(gate["o"] * tanh_c, self.dtype)  # [batch, units]
            new_h = tf.matmul(shown, tensors["projection"]) if "projection" in tensors else shown
            if self.is_real is not None:
                new_h += self.copies[t] * h
            if keep:
                values = self._factors(tanhs, gate, c, tanh_c, tensors.get("peephole"))
                values |= {"c_before": c, "shown": shown}
                kept = {name: room.write(t, values[name]) for name, room in kept.items()}
            return new_h, new_c, outputs.write(t, new_h), kept

        kept = {}
        if keep:
            sizes = {"sums": len(self.symbols), "memory_from_h": 1, "memory": 1}
            sizes |= {"c_before": 1} if "peephole" in tensors else {}
            kept = {n: array(steps, k * self.units, self.memory_dtype) for n, k in sizes.items()}
        if keep and "projection" in tensors:
            kept["shown"] = array(steps, self.units, self.dtype)
        outputs = array(steps, self.output_size, self.dtype)
        h, c, outputs, kept = loop(
            steps, step, (tensors["h"], tensors["c"], outputs, kept), training=keep
        )
        return (stack(outputs, inputs), h, c), kept

    def _gates_and_memory(self, z, c, peephole) -> tuple:
        """Computes the tanhs of the sums `z`, the gates by symbol, and the new memory."""
        if peephole is None:
            tanhs = tf.tanh(z)
            gates = tf.split(self.scale * tanhs + self.shift, len(self.symbols), axis=1)
            gate = dict(zip(self.symbols, gates))
            gate.setdefault("i", 1 - gate["f"])
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

    def _factors(self, tanhs, gate, c, tanh_c, peephole) -> dict:
        """Computes what a step multiplies gradients by, while its gates are at hand.

        With dh and dc the gradients of o ⊙ tanh(c) and of c, and tanh' = 1 - tanh²:

            dc        ← dc + dh ⊙ "memory_from_h"    o ⊙ tanh'(c)
            2 · dz    = (dc, dc, dc, dh) ⊙ "sums"    (g, c before, 2 · i, tanh(c)) ⊙ tanh'(z)
            dc before = dc ⊙ "memory"                f

        for the halved sums z of (i, f, g, o). All four sums come out doubled alike, which the
        products behind take back. Where gates are coupled, f takes c - g. A peephole adds p ⊙ dz of
        o to dc, and those of i and f to dc before.

        Args:
            tanhs: of the halved sums, `[batch, G · units]`.
            gate: the gates by symbol, `[batch, units]`.
            c: the memory before the step.
            tanh_c: tanh of the memory after it.
            peephole: halved, or `None`.
        """
        inner = {"i": gate["c"], "f": c, "c": 2 * gate["i"], "o": tanh_c}
        if "i" not in self.symbols:
            inner["f"] = c - gate["c"]
        sums = _tanh_gradient(tanhs, tf.concat([inner[s] for s in self.symbols], axis=1))
        memory_from_h, memory = _tanh_gradient(tanh_c, gate["o"]), gate["f"]
        if peephole is not None:
            peeps = self._by_symbol(0.5 * peephole)  # the factors are of 2 · dz
            part = dict(zip(self.symbols, tf.split(sums, len(self.symbols), axis=1)))
            memory_from_h += peeps["o"] * part["o"]
            memory += sum(peeps[symbol] * part[symbol] for symbol in peeps if symbol != "o")
        return {"sums": sums, "memory_from_h": memory_from_h, "memory": memory}

    def _by_symbol(self, peephole) -> dict:
        """Returns the rows of the peephole weights by the symbol of their gate."""
        symbols = self.symbols.replace("c", "")
        return dict(zip(symbols, tf.unstack(peephole, len(symbols))))

    def backward(self, tensors: dict, results, kept, d_results) -> dict:
        """Computes the gradients of what `forward` was given, by name.

        Args:
            tensors: what it was given.
            results: what it returned.
            kept: what it kept.
            d_results: the gradients of outputs, h and c.
        """
        outputs, _, last_c = results
        d_outputs, d_h, d_c = d_results
        inputs = tensors["inputs"]
        back = 0.5 * tf.transpose(tensors["recurrent_kernel"])
        if "projection" in tensors:
            project_back = tf.transpose(tensors["projection"])
        if self.is_real is not None:
            copies = tf.cast(self.copies, self.memory_dtype)
        steps = steps_of(inputs)

        def step(n, d_h, d_c, d_sums, d_hs):
            t = n if self.reverse else steps - 1 - n
            d_h += tf.cast(d_outputs[t], self.memory_dtype)
            d_shown = d_h  # [batch, units]
            if "projection" in tensors:
                d_projected = tf.cast(d_h, self.dtype)
                d_hs = [room.write(t, d_projected) for room in d_hs]
                d_shown = tf.cast(tf.matmul(d_projected, project_back), self.memory_dtype)
            d_c += d_shown * kept["memory_from_h"].read(t)
            d_z = tf.concat([d_shown if s == "o" else d_c for s in self.symbols], axis=1)
            d_z = tf.cast(d_z * kept["sums"].read(t), self.dtype)  # [batch, G · units], doubled
            d_h_before = tf.cast(tf.matmul(d_z, back), self.memory_dtype)
            if self.is_real is not None:
                d_h_before += copies[t] * d_h
            return d_h_before, d_c * kept["memory"].read(t), d_sums.write(t, d_z), d_hs

        d_sums = array(steps, len(self.symbols) * self.units, self.dtype)
        d_hs = [array(steps, self.output_size, self.dtype)] if "projection" in tensors else []
        d_h = tf.cast(d_h, self.memory_dtype)
        d_h, d_c, d_sums, d_hs = loop(steps, step, (d_h, d_c, d_sums, d_hs), training=True)

        d_sums = stack(d_sums, inputs)  # [time, batch, G · units], doubled
        before = states_before(outputs, tensors["h"], self.reverse)
        gradients = {
            "inputs": product(d_sums, 0.5 * tf.transpose(tensors["kernel"])),
            "kernel": 0.5 * kernel_gradient(inputs, d_sums),
            "recurrent_kernel": 0.5 * kernel_gradient(before, d_sums),
            "h": tf.cast(d_h, self.dtype),
            "c": d_c,
        }
        if "bias" in tensors:
            gradients["bias"] = 0.5 * bias_gradient(d_sums)
        if "peephole" in tensors:
            c_before = stack(kept["c_before"], inputs)
            gradients["peephole"] = 0.5 * self._peephole_gradient(d_sums, c_before, last_c)
        if "projection" in tensors:
            shown = stack(kept["shown"], inputs)
            gradients["projection"] = kernel_gradient(shown, stack(d_hs[0], inputs))
        return gradients

    def _peephole_gradient(self, d_sums, c_before, last_c):
        """Sums over all steps and rows what each peephole passed on, `[G - 1, units]`."""
        c_after = states_before(c_before, last_c, not self.reverse)
        d_sums = tf.split(tf.cast(d_sums, self.memory_dtype), len(self.symbols), axis=2)
        return tf.stack(
            [
                tf.reduce_sum(d_z * (c_after if symbol == "o" else c_before), axis=[0, 1])
                for symbol, d_z in zip(self.symbols, d_sums)
                if symbol != "c"
            ]
        )


def _tanh_gradient(tanh, d_tanh):
    """Returns the gradient of x, given tanh(x) and the gradient of that."""
    return tf.raw_ops.TanhGrad(y=tanh, dy=d_tanh)
