"""One step of a long short-term memory."""

import keras
from keras import ops

from textlstm.cells.gated_cell import GatedCell


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

    Args:
        units: size of both states, a positive int.
        unit_forget_bias: whether `b_f` begins at 1 instead of where `bias_initializer` puts it,
            so that a new cell keeps what it reads; default `True` (Jozefowicz et al., 2015).
        **kwargs: the options of `textlstm.cells.GatedCell`: `activation` (of g and of c in the
            last line), `recurrent_activation` (of i, f, o), `use_bias`, initializers,
            regularizers, constraints, and `name`, `dtype`.

    References:
        - Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997.
        - Gers, Schmidhuber and Cummins, Learning to Forget: Continual Prediction with LSTM,
          Neural Computation 12(10), 2000 (the forget gate).
        - Jozefowicz, Zaremba and Sutskever, An Empirical Exploration of Recurrent Network
          Architectures, ICML 2015 (its bias of 1).

    Example:
        >>> cell = LSTMCell(8)
        >>> inputs = keras.random.normal((2, 5))  # [batch, features]
        >>> output, states = cell(inputs, cell.get_initial_state(2))
        >>> output.shape, [state.shape for state in states]
        ((2, 8), [(2, 8), (2, 8)])
    """

    gates = ("input", "forget", "candidate", "output")

    def __init__(self, units: int, *, unit_forget_bias: bool = True, **kwargs):
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def initial_bias(self, shape, dtype=None):
        """Returns the first value of `bias`, `[4 · units]`; see `unit_forget_bias`."""
        if not self.unit_forget_bias:
            return super().initial_bias(shape, dtype)
        i, f, c, o = (super(LSTMCell, self).initial_bias((self.units,), dtype) for _ in range(4))
        return ops.concatenate([i, ops.ones_like(f), c, o])

    def compute_gates(self, projected, states) -> dict:
        """Computes the gates of one step.

        Args:
            projected: `x_t · kernel + bias`, `[batch, 4 · units]`.
            states: `[h_{t-1}, c_{t-1}]`.

        Returns:
            A dict from each name in `gates` to `[batch, units]`.
        """
        h, _ = states
        z = projected + ops.matmul(h, self.recurrent_kernel)  # [batch, 4 · units]
        z_i, z_f, z_c, z_o = ops.split(z, 4, axis=-1)
        return {
            "input": self.recurrent_activation(z_i),
            "forget": self.recurrent_activation(z_f),
            "candidate": self.activation(z_c),
            "output": self.recurrent_activation(z_o),
        }

    def step(self, projected, states, training: bool = False):
        """Computes `h_t, [h_t, c_t]` from `x_t · kernel + bias` and `[h_{t-1}, c_{t-1}]`."""
        gate = self.compute_gates(projected, states)
        _, c = states
        c = gate["forget"] * c + gate["input"] * gate["candidate"]
        h = gate["output"] * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}
