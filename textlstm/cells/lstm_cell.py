"""One step of a long short-term memory, plain or in one of its variants."""

import numbers

import keras
import numpy as np
from keras import activations, ops

from textlstm.cells.gated_cell import LAYER_NORM_EPSILON, GatedCell


@keras.saving.register_keras_serializable(package="textlstm")
class LSTMCell(GatedCell):
    """One step of a long short-term memory (LSTM).

    The cell keeps two states: the memory `c`, which is only ever scaled and added to, and the
    hidden state `h`, which is what the outside sees of it. With the inputs `x_t` as a row:

        i_t = σ(x_t W_xi + h_{t-1} W_hi + b_i)        input gate: how much is written
        f_t = σ(x_t W_xf + h_{t-1} W_hf + b_f)        forget gate: how much is kept
        g_t = tanh(x_t W_xc + h_{t-1} W_hc + b_c)     candidate: what would be written
        o_t = σ(x_t W_xo + h_{t-1} W_ho + b_o)        output gate: how much is shown
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        h_t = o_t ⊙ tanh(c_t)

    Weights, the gates side by side in the order i, f, c, o:

    - `kernel`            `[features, 4 · units]` = [W_xi  W_xf  W_xc  W_xo]
    - `recurrent_kernel`  `[units, 4 · units]`    = [W_hi  W_hf  W_hc  W_ho]
    - `bias`              `[4 · units]`           = [b_i   b_f   b_c   b_o]

    The output is `h_t`, `[batch, units]`; the states are `[h_t, c_t]`, `[batch, units]` each.

    The variants change single lines, and go together in any combination:

    - `peephole`: the gates see the memory, i and f the old one, o the new one (Gers and
      Schmidhuber, 2000; Gers, Schraudolph and Schmidhuber, 2002):

          i_t = σ(… + p_i ⊙ c_{t-1})    f_t = σ(… + p_f ⊙ c_{t-1})    o_t = σ(… + p_o ⊙ c_t)

      Weight `peephole_kernel`, `[3, units]` = p_i, p_f, p_o in rows, at first zero.
    - `coupled_gates`: what is written takes the place of what is forgotten (Greff et al., 2017):

          i_t = 1 - f_t

      The weights hold the gates f, c, o only, `peephole_kernel` p_f and p_o.
    - `proj_size`: h is a smaller image of the memory (Sak, Senior and Beaufays, 2014; the option of
      `torch.nn.LSTM`):

          h_t = (o_t ⊙ tanh(c_t)) W_p

      Weight `projection_kernel`, `[units, proj_size]` = W_p, with the initializer, regularizer and
      constraint of `recurrent_kernel`, which is now `[proj_size, 4 · units]`. The output and h are
      `[batch, proj_size]`.
    - `layer_norm`: the products with W_x and W_h are normalised (see `GatedCell`), and the memory
      where it is shown (Ba, Kiros and Hinton, 2016):

          h_t = o_t ⊙ tanh(LN(c_t) ⊙ a_m + b_m)

      Weights besides those of `GatedCell`: `memory_gain`, `[units]` = a_m, at first one, and (with
      `use_bias`) `memory_bias`, `[units]` = b_m, at first zero. Peepholes see c as it is.

    Zoneout of c does not reach the h of the same step, as in its paper.

    Args:
        units: size of the memory, a positive int.
        unit_forget_bias: whether `b_f` begins at 1 instead of where `bias_initializer` puts it,
            so that a new cell keeps what it reads; default `True` (Jozefowicz et al., 2015). A
            number in place of `True` is where it begins.
        recurrent_activation: of i, f and o, default `"sigmoid"`.
        peephole: whether the gates see the memory, default `False`.
        coupled_gates: whether the input gate is one minus the forget gate, default `False`.
        proj_size: size of the projected hidden state, default 0: none.
        **kwargs: the options of `textlstm.cells.GatedCell`: `activation` (of g and of c in the
            last line), `use_bias`, `layer_norm`, `recurrent_dropout`, `zoneout` (of both states,
            or a pair for h and c), `seed`, initializers, regularizers, constraints, and `name`,
            `dtype`.

    Raises:
        ValueError: if `proj_size` is not an int of at least 0, or `unit_forget_bias` neither a bool
            nor a number.

    References:
        - Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997.
        - Gers, Schmidhuber and Cummins, Learning to Forget: Continual Prediction with LSTM,
          Neural Computation 12(10), 2000 (the forget gate).
        - Gers and Schmidhuber, Recurrent Nets that Time and Count, IJCNN 2000 (peepholes).
        - Gers, Schraudolph and Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks,
          JMLR 3, 2002 (peepholes, the output gate's at c_t).
        - Sak, Senior and Beaufays, Long Short-Term Memory Recurrent Neural Network Architectures
          for Large Scale Acoustic Modeling, Interspeech 2014 (projection).
        - Jozefowicz, Zaremba and Sutskever, An Empirical Exploration of Recurrent Network
          Architectures, ICML 2015 (the forget bias of 1).
        - Ba, Kiros and Hinton, Layer Normalization, 2016, arXiv:1607.06450.
        - Greff et al., LSTM: A Search Space Odyssey, IEEE Transactions on Neural Networks and
          Learning Systems 28(10), 2017 (coupled gates).

    Example:
        >>> cell = LSTMCell(8, peephole=True, proj_size=3)
        >>> inputs = keras.random.normal((2, 5))  # [batch, features]
        >>> output, states = cell(inputs, cell.get_initial_state(2))
        >>> output.shape, [state.shape for state in states]
        ((2, 3), [(2, 3), (2, 8)])
    """

    gates = ("input", "forget", "candidate", "output")
    symbols = "ifco"
    state_names = ("h", "c")

    def __init__(
        self,
        units: int,
        *,
        unit_forget_bias: bool | float = True,
        recurrent_activation="sigmoid",
        peephole: bool = False,
        coupled_gates: bool = False,
        proj_size: int = 0,
        **kwargs,
    ):
        super().__init__(units, **kwargs)
        if isinstance(proj_size, bool) or not isinstance(proj_size, int) or proj_size < 0:
            raise ValueError(
                "Argument `proj_size` of LSTMCell must be an integer of at least 0. "
                f"Received: proj_size={proj_size!r}"
            )
        if not isinstance(unit_forget_bias, numbers.Real):  # as a bool is
            raise ValueError(
                "Argument `unit_forget_bias` of LSTMCell must be a bool or a number. "
                f"Received: unit_forget_bias={unit_forget_bias!r}"
            )
        self.unit_forget_bias = unit_forget_bias
        self.recurrent_activation = activations.get(recurrent_activation)
        self.peephole = peephole
        self.coupled_gates = coupled_gates
        self.proj_size = proj_size
        self.output_size = proj_size or units
        self.state_size = [self.output_size, units]
        if coupled_gates:
            self.gates, self.symbols = self.gates[1:], self.symbols[1:]
        self.peephole_symbols = self.symbols.replace("c", "")

    def build(self, input_shape):
        """Creates the weights for inputs of shape `[batch, features]`."""
        super().build(input_shape)
        if self.peephole:
            self.peephole_kernel = self.add_weight(
                name="peephole_kernel",
                shape=(len(self.peephole_symbols), self.units),
                initializer="zeros",
            )
        if self.proj_size:
            self.projection_kernel = self.add_weight(
                name="projection_kernel",
                shape=(self.units, self.proj_size),
                initializer=self.recurrent_initializer,
                regularizer=self.recurrent_regularizer,
                constraint=self.recurrent_constraint,
            )
        if self.layer_norm:
            self.memory_gain = self.add_weight(
                name="memory_gain", shape=(self.units,), initializer="ones"
            )
            self.memory_bias = None
            if self.use_bias:
                self.memory_bias = self.add_weight(
                    name="memory_bias", shape=(self.units,), initializer="zeros"
                )

    def initial_bias(self, shape, dtype=None):
        """Returns the first value of `bias`, `[G · units]`; see `unit_forget_bias`."""
        if self.unit_forget_bias is False:
            return super().initial_bias(shape, dtype)
        parts = {
            gate: super(LSTMCell, self).initial_bias((self.units,), dtype) for gate in self.gates
        }
        parts["forget"] = ops.full_like(parts["forget"], float(self.unit_forget_bias))
        return ops.concatenate(list(parts.values()))

    def compute_gates(self, projected, states) -> dict:
        """Computes i_t, f_t, g_t and o_t; see `GatedCell.compute_gates`.

        With `coupled_gates` the input gate is there too, though it has no weights.
        """
        gate, _ = self._gates_and_memory(projected, *states)
        return gate

    def next_states(self, projected, recalled, states) -> list:
        """Computes `[h_t, c_t]`; see `NoisyCell.next_states`."""
        gate, c = self._gates_and_memory(projected, *recalled)
        h = self._project(gate["output"] * self.activation(self._normalize_memory(c)))
        return [h, c]

    def _gates_and_memory(self, projected, h, c) -> tuple:
        """Computes the gates of a step, and c_t: the output gate may see it."""
        z = projected + self.project_hidden(h)  # [batch, G · units]
        z = dict(zip(self.symbols, ops.split(z, len(self.symbols), axis=-1)))
        f = self.recurrent_activation(self._peep("f", z, c))
        i = 1 - f if self.coupled_gates else self.recurrent_activation(self._peep("i", z, c))
        g = self.activation(z["c"])
        c = f * c + i * g
        o = self.recurrent_activation(self._peep("o", z, c))
        return {"input": i, "forget": f, "candidate": g, "output": o}, c

    def _peep(self, symbol: str, z: dict, c):
        """Adds what a gate sees of the memory to its sum: z + p ⊙ c."""
        if not self.peephole:
            return z[symbol]
        return z[symbol] + self.peephole_kernel[self.peephole_symbols.index(symbol)] * c

    def _normalize_memory(self, c):
        """Computes LN(c) ⊙ a_m + b_m."""
        if not self.layer_norm:
            return c
        return ops.layer_normalization(
            c, self.memory_gain, self.memory_bias, epsilon=LAYER_NORM_EPSILON
        )

    def _project(self, h):
        """Computes h W_p."""
        return ops.matmul(h, self.projection_kernel) if self.proj_size else h

    def weight_parts(self) -> dict:
        """Returns where each of the `gate_weights` stands: name to `(variable, index)`."""
        parts = super().weight_parts()
        if self.peephole:
            for row, symbol in enumerate(self.peephole_symbols):
                parts[f"p_{symbol}"] = (self.peephole_kernel, row)
        if self.proj_size:
            parts["W_p"] = (self.projection_kernel, np.s_[:])
        if self.layer_norm:
            parts["a_m"] = (self.memory_gain, np.s_[:])
            if self.use_bias:
                parts["b_m"] = (self.memory_bias, np.s_[:])
        return parts

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "unit_forget_bias": self.unit_forget_bias,
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "peephole": self.peephole,
            "coupled_gates": self.coupled_gates,
            "proj_size": self.proj_size,
        }
