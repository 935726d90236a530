"""One step of a gated recurrent unit."""

import keras
from keras import ops

from textlstm.cells.gated_cell import GatedCell


@keras.saving.register_keras_serializable(package="textlstm")
class GRUCell(GatedCell):
    """One step of a gated recurrent unit (GRU).

    The cell keeps one state `h`, and at each step replaces a part of it by a candidate. With the
    inputs `x_t` as a row:

        z_t = σ(x_t W_xz + h_{t-1} W_hz + b_z)        update gate: how much of h is kept
        r_t = σ(x_t W_xr + h_{t-1} W_hr + b_r)        reset gate: how much of h the candidate sees
        g_t = tanh(x_t W_xh + b_h + r_t ⊙ (h_{t-1} W_hh + b_hh))     with `reset_after` (default)
        g_t = tanh(x_t W_xh + b_h + (r_t ⊙ h_{t-1}) W_hh)            without: the first GRU paper
        h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ g_t

    (Some books swap z and 1 - z.) Weights, the gates side by side in the order z, r, h:

    - `kernel`            `[features, 3 · units]` = [W_xz  W_xr  W_xh]
    - `recurrent_kernel`  `[units, 3 · units]`    = [W_hz  W_hr  W_hh]
    - `bias`              `[2, 3 · units]` with `reset_after`: the first row belongs to the inputs,
      the second to the state (b_z and b_r are the sums of their two rows, b_hh stands in the
      second); `[3 · units]` = [b_z  b_r  b_h] without.

    The output is `h_t`, `[batch, units]`; the states are `[h_t]`.

    Args:
        units: size of the state, a positive int.
        reset_after: whether the reset gate is applied after the product with the state, as in
            cuDNN and `torch.nn.GRU`; default `True`.
        **kwargs: the options of `textlstm.cells.GatedCell`: `activation` (of g),
            `recurrent_activation` (of z, r), `use_bias`, initializers, regularizers,
            constraints, and `name`, `dtype`.

    References:
        - Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical
          Machine Translation, EMNLP 2014.

    Example:
        >>> cell = GRUCell(8)
        >>> inputs = keras.random.normal((2, 5))  # [batch, features]
        >>> output, states = cell(inputs, cell.get_initial_state(2))
        >>> output.shape, [state.shape for state in states]
        ((2, 8), [(2, 8)])
    """

    gates = ("update", "reset", "candidate")

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs):
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """`[2, 3 · units]` with `reset_after`, else `[3 · units]`."""
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def project_inputs(self, inputs):
        """Computes `inputs · kernel` plus the bias of the inputs, `[batch, (time,) 3 · units]`."""
        projected = ops.matmul(inputs, self.kernel)
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if self.reset_after else self.bias)

    def compute_gates(self, projected, states) -> dict:
        """Computes the gates of one step.

        Args:
            projected: `x_t · kernel + bias`, `[batch, 3 · units]`.
            states: `[h_{t-1}]`.

        Returns:
            A dict from each name in `gates` to `[batch, units]`.
        """
        (h,) = states
        x_z, x_r, x_h = ops.split(projected, 3, axis=-1)
        if self.reset_after:
            recurrent = ops.matmul(h, self.recurrent_kernel)  # [batch, 3 · units]
            if self.bias is not None:
                recurrent = recurrent + self.bias[1]
            h_z, h_r, h_h = ops.split(recurrent, 3, axis=-1)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            g = self.activation(x_h + r * h_h)
        else:
            kernel_zr = self.recurrent_kernel[:, : 2 * self.units]
            kernel_h = self.recurrent_kernel[:, 2 * self.units :]
            h_z, h_r = ops.split(ops.matmul(h, kernel_zr), 2, axis=-1)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            g = self.activation(x_h + ops.matmul(r * h, kernel_h))
        return {"update": z, "reset": r, "candidate": g}

    def step(self, projected, states, training: bool = False):
        """Computes `h_t, [h_t]` from `x_t · kernel + bias` and `[h_{t-1}]`."""
        gate = self.compute_gates(projected, states)
        (h,) = states
        h = gate["update"] * h + (1 - gate["update"]) * gate["candidate"]
        return h, [h]

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "reset_after": self.reset_after}
