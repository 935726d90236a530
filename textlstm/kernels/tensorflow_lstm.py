"""The kernel of `LSTMCell` for TensorFlow: a whole sequence, and its gradient, in stock operations.

What makes it fast, against a loop over the cell that TensorFlow differentiates itself:

- The products with the inputs are made for all steps at once, before the loop.
- Every gate has a product and operations of its own. They wait for nothing of each other, so the
  processors share them; their numbers stay in the caches; and no gate must be cut out of a wider
  result.
- The gradient is a loop of its own. A gradient is linear in what it is given, so a step back only
  multiplies by factors that the loop forward worked out while its gates were at hand; peepholes and
  coupled gates are within the factors. What stays are products by kernels that are transposed once;
  the gradients of kernels and inputs are products over all steps at once, behind the loop.
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


def run_lstm(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs an `LSTMCell` over a sequence; arguments and result are those of `scan`."""
    dtype, memory_dtype = dtypes(cell)
    tensors = {
        "inputs": time_major(inputs, dtype),
        "kernel": tf.cast(cell.kernel, dtype),
        "recurrent_kernel": tf.cast(cell.recurrent_kernel, dtype),
        "h": tf.cast(initial_state[0], dtype),
        "c": tf.cast(initial_state[1], memory_dtype),
    }
    if cell.bias is not None:
        tensors["bias"] = tf.cast(cell.bias, dtype)
    if cell.peephole:
        tensors["peephole"] = tf.cast(cell.peephole_kernel, memory_dtype)
    if cell.proj_size:
        tensors["projection"] = tf.cast(cell.projection_kernel, dtype)
    outputs, h, c = run_with_gradient(_Sequence(cell, mask, reverse), tensors, training)
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
            self.is_real = time_major(mask, tf.bool)  # [time, batch, 1]
            self.copies = tf.cast(~self.is_real, self.dtype)

    def forward(self, tensors: dict, *, keep: bool):
        """Runs all steps.

        Args:
            tensors: "inputs" `[time, batch, features]`; "kernel" `[features, G · units]`,
                "recurrent_kernel" `[size of h, G · units]` and "bias" `[G · units]`; the first
                states "h" `[batch, size of h]` and "c" `[batch, units]`; "peephole"
                `[G - 1, units]`; "projection" `[units, size of h]`. Bias, peephole and
                projection only if the cell has them.
            keep: whether what the gradient needs is kept.

        Returns:
            `(outputs, h, c)`: `[time, batch, size of h]` and the last states; and what was kept, by
            name: the factors of `backward`, c before each step for peepholes, and o ⊙ tanh(c) for
            a projection. It is in the order of time.
        """
        inputs = tensors["inputs"]
        sums = {symbol: by_step(z) for symbol, z in self._sums_of_inputs(tensors).items()}
        copies = None if self.is_real is None else by_step(self.copies)
        recurrent_kernels = by_gate(self.symbols, tensors["recurrent_kernel"])
        peeps = self._peeps(tensors)
        steps = steps_of(inputs)

        def step(n, h, c, outputs, kept):
            t = steps - 1 - n if self.reverse else n

            def total(symbol, memory):
                z = sums[symbol].read(t) + tf.matmul(h, recurrent_kernels[symbol])
                z = tf.cast(z, self.memory_dtype)
                return z + peeps[symbol] * memory if symbol in peeps else z

            f = tf.sigmoid(total("f", c))
            i = tf.sigmoid(total("i", c)) if "i" in self.symbols else 1 - f
            g = tf.tanh(total("c", c))
            new_c = f * c + i * g
            tanh_c = tf.tanh(new_c)
            o = tf.sigmoid(total("o", new_c))  # its peephole sees the new memory
            shown = tf.cast(o * tanh_c, self.dtype)  # [batch, units]
            new_h = tf.matmul(shown, tensors["projection"]) if "projection" in tensors else shown
            if copies is not None:
                new_h += copies.read(t) * h
            if keep:
                values = self._factors(i, f, g, o, c, tanh_c, peeps)
                values |= {"c_before": c, "shown": shown}
                kept = {name: room.write(t, values[name]) for name, room in kept.items()}
            return new_h, new_c, outputs.write(t, new_h), kept

        kept = {}
        if keep:
            names = [*self.symbols, "memory_from_h", "memory", *["c_before"] * bool(peeps)]
            kept = {name: array(steps, self.units, self.memory_dtype) for name in names}
        if keep and "projection" in tensors:
            kept["shown"] = array(steps, self.units, self.dtype)
        outputs = array(steps, self.output_size, self.dtype)
        h, c, outputs, kept = loop(
            steps, step, (tensors["h"], tensors["c"], outputs, kept), training=keep
        )
        return (stack(outputs, inputs), h, c), kept

    def _sums_of_inputs(self, tensors: dict) -> dict:
        """Computes what a gate's sum gets from the inputs, `[time, batch, units]`, by symbol."""
        kernels = by_gate(self.symbols, tensors["kernel"])
        sums = {symbol: product(tensors["inputs"], kernel) for symbol, kernel in kernels.items()}
        if "bias" in tensors:
            biases = by_gate(self.symbols, tensors["bias"])
            sums = {symbol: sums[symbol] + biases[symbol] for symbol in sums}
        if self.is_real is not None:
            for symbol, closed in (
                ("i", -SATURATED),
                ("f", SATURATED),
                ("c", 0),
                ("o", -SATURATED),
            ):
                if symbol in sums:
                    closed = tf.constant(closed, self.dtype)
                    sums[symbol] = tf.where(self.is_real, sums[symbol], closed)
        return sums

    def _factors(self, i, f, g, o, c, tanh_c, peeps) -> dict:
        """Computes what a step multiplies gradients by, while its gates are at hand.

        With dh and dc the gradients of o ⊙ tanh(c) and of c, σ' = σ (1 - σ) and tanh' = 1 - tanh²:

            dc          ← dc + dh ⊙ "memory_from_h"     o ⊙ tanh'(c)
            of i's sum  dc ⊙ "i"                        g ⊙ σ'(i)
            of f's sum  dc ⊙ "f"                        c before ⊙ σ'(f)
            of g's sum  dc ⊙ "c"                        i ⊙ tanh'(g)
            of o's sum  dh ⊙ "o"                        tanh(c) ⊙ σ'(o)
            dc before   dc ⊙ "memory"                   f

        Where gates are coupled, f takes c before - g. With a peephole p, p ⊙ "o" is added to
        "memory_from_h", and p ⊙ "i" and p ⊙ "f" to "memory".

        Args:
            i: gate, `[batch, units]`, like the rest.
            f: gate.
            g: candidate.
            o: gate.
            c: the memory before the step.
            tanh_c: tanh of the memory after it.
            peeps: the peephole weights by symbol; empty if there are none.
        """
        factors = {
            "f": _sigmoid_gradient(f, c if "i" in self.symbols else c - g),
            "c": _tanh_gradient(g, i),
            "o": _sigmoid_gradient(o, tanh_c),
        }
        if "i" in self.symbols:
            factors["i"] = _sigmoid_gradient(i, g)
        memory_from_h, memory = _tanh_gradient(tanh_c, o), f
        for symbol, peep in peeps.items():
            if symbol == "o":
                memory_from_h += peep * factors["o"]
            else:
                memory += peep * factors[symbol]
        return {**factors, "memory_from_h": memory_from_h, "memory": memory}

    def _peeps(self, tensors) -> dict:
        """Returns the rows of the peephole weights by the symbol of their gate."""
        if "peephole" not in tensors:
            return {}
        symbols = self.symbols.replace("c", "")
        return dict(zip(symbols, tf.unstack(tensors["peephole"], len(symbols))))

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
        back = by_gate(self.symbols, tensors["recurrent_kernel"], transposed=True)
        if "projection" in tensors:
            project_back = tf.transpose(tensors["projection"])
        d_outputs = by_step(tf.cast(d_outputs, self.memory_dtype))
        copies = None
        if self.is_real is not None:
            copies = by_step(tf.cast(self.copies, self.memory_dtype))
        steps = steps_of(inputs)

        def step(n, d_h, d_c, d_sums, d_hs):
            t = n if self.reverse else steps - 1 - n
            d_h += d_outputs.read(t)
            d_shown = d_h  # [batch, units]
            if "projection" in tensors:
                d_projected = tf.cast(d_h, self.dtype)
                d_hs = [room.write(t, d_projected) for room in d_hs]
                d_shown = tf.cast(tf.matmul(d_projected, project_back), self.memory_dtype)
            d_c += d_shown * kept["memory_from_h"].read(t)
            d_z = {s: (d_shown if s == "o" else d_c) * kept[s].read(t) for s in self.symbols}
            d_z = {s: tf.cast(d, self.dtype) for s, d in d_z.items()}  # [batch, units]
            d_h_before = tf.add_n([tf.matmul(d_z[s], back[s]) for s in self.symbols])
            d_h_before = tf.cast(d_h_before, self.memory_dtype)
            if copies is not None:
                d_h_before += copies.read(t) * d_h
            d_sums = {s: room.write(t, d_z[s]) for s, room in d_sums.items()}
            return d_h_before, d_c * kept["memory"].read(t), d_sums, d_hs

        d_sums = {s: array(steps, self.units, self.dtype) for s in self.symbols}
        d_hs = [array(steps, self.output_size, self.dtype)] if "projection" in tensors else []
        d_h = tf.cast(d_h, self.memory_dtype)
        d_h, d_c, d_sums, d_hs = loop(steps, step, (d_h, d_c, d_sums, d_hs), training=True)

        d_sums = {s: stack(room, inputs) for s, room in d_sums.items()}
        before = states_before(outputs, tensors["h"], self.reverse)
        kernels = by_gate(self.symbols, tensors["kernel"], transposed=True)
        gradients = {
            "inputs": tf.add_n([product(d_sums[s], kernels[s]) for s in self.symbols]),
            "kernel": joined(self.symbols, d_sums, lambda d: kernel_gradient(inputs, d)),
            "recurrent_kernel": joined(self.symbols, d_sums, lambda d: kernel_gradient(before, d)),
            "h": tf.cast(d_h, self.dtype),
            "c": d_c,
        }
        if "bias" in tensors:
            gradients["bias"] = joined(self.symbols, d_sums, bias_gradient)
        if "peephole" in tensors:
            c_before = stack(kept["c_before"], inputs)
            gradients["peephole"] = self._peephole_gradient(d_sums, c_before, last_c)
        if "projection" in tensors:
            shown = stack(kept["shown"], inputs)
            gradients["projection"] = kernel_gradient(shown, stack(d_hs[0], inputs))
        return gradients

    def _peephole_gradient(self, d_sums, c_before, last_c):
        """Sums over all steps and rows what each peephole passed on, `[G - 1, units]`."""
        c_after = states_before(c_before, last_c, not self.reverse)
        d_sums = {s: tf.cast(d, self.memory_dtype) for s, d in d_sums.items() if s != "c"}
        return tf.stack(
            [
                tf.reduce_sum(d * (c_after if symbol == "o" else c_before), axis=[0, 1])
                for symbol, d in d_sums.items()
            ]
        )


def _tanh_gradient(tanh, d_tanh):
    """Returns the gradient of x, given tanh(x) and the gradient of that."""
    return tf.raw_ops.TanhGrad(y=tanh, dy=d_tanh)


def _sigmoid_gradient(sigmoid, d_sigmoid):
    """Returns the gradient of x, given σ(x) and the gradient of that."""
    return tf.raw_ops.SigmoidGrad(y=sigmoid, dy=d_sigmoid)
