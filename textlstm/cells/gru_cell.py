"""One step of a gated recurrent unit."""

import keras
import numpy as np
from keras import activations, ops

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
    - `bias`              `[2, 3 · units]` with `reset_after`: the first row, [b_xz  b_xr  b_xh],
      belongs to the inputs, the second, [b_hz  b_hr  b_hh], to the state (above, b_z and b_r are
      the sums of their two rows, b_h is b_xh); `[3 · units]` = [b_z  b_r  b_h] without.

    The output is `h_t`, `[batch, units]`; the states are `[h_t]`.

    With `layer_norm`, every product with W_x or W_h above stands for its normalised value (see
    `GatedCell`). z and r are normalised together, over `2 · units` numbers, the candidate by
    itself, as in the paper.

    Recurrent dropout falls on h_{t-1} in the products with W_h, not in the last line, which copies.

    Args:
        units: size of the state, a positive int.
        reset_after: whether the reset gate is applied after the product with the state, as in
            cuDNN and `torch.nn.GRU`; default `True`.
        recurrent_activation: of z and r, default `"sigmoid"`.
        **kwargs: the options of `textlstm.cells.GatedCell`: `activation` (of g), `use_bias`,
            `layer_norm`, `recurrent_dropout`, `zoneout`, `seed`, initializers, regularizers,
            constraints, and `name`, `dtype`.

    Raises:
        ValueError: if an option is out of its range.

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
    symbols = "zrh"

    def __init__(
        self, units: int, *, reset_after: bool = True, recurrent_activation="sigmoid", **kwargs
    ):
        super().__init__(units, **kwargs)
        self.reset_after = reset_after
        self.recurrent_activation = activations.get(recurrent_activation)

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """`[2, 3 · units]` with `reset_after`, else `[3 · units]`."""
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    @property
    def input_bias(self):
        """The row of `bias` that belongs to the inputs, `[3 · units]`, or `None`."""
        return self.bias[0] if self.use_bias and self.reset_after else self.bias

    def normalize(self, product, gain):
        """Normalises z and r together and the candidate by itself, where there is `layer_norm`."""
        if not self.layer_norm:
            return product
        zr, candidate = np.s_[..., : 2 * self.units], np.s_[..., 2 * self.units :]
        parts = [super(GRUCell, self).normalize(product[p], gain[p]) for p in (zr, candidate)]
        return ops.concatenate(parts, axis=-1)

    def compute_gates(self, projected, states) -> dict:
        """Computes z_t, r_t and g_t; see `GatedCell.compute_gates`."""
        (h,) = states
        x_z, x_r, x_h = ops.split(projected, 3, axis=-1)
        if self.reset_after:
            recurrent = self.project_hidden(h)  # [batch, 3 · units]
            if self.use_bias:
                recurrent = recurrent + self.bias[1]
            h_z, h_r, h_h = ops.split(recurrent, 3, axis=-1)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            g = self.activation(x_h + r * h_h)
        else:
            h_z, h_r = ops.split(self._project_part(h, np.s_[: 2 * self.units]), 2, axis=-1)
            z = self.recurrent_activation(x_z + h_z)
            r = self.recurrent_activation(x_r + h_r)
            g = self.activation(x_h + self._project_part(r * h, np.s_[2 * self.units :]))
        return {"update": z, "reset": r, "candidate": g}

    def next_states(self, projected, recalled, states) -> list:
        """Computes `[h_t]`; see `NoisyCell.next_states`."""
        gate = self.compute_gates(projected, recalled)
        (h,) = states
        return [gate["update"] * h + (1 - gate["update"]) * gate["candidate"]]

    def _project_part(self, h, columns: slice):
        """Computes the product of `h` with some gates' columns, normalised among themselves."""
        product = ops.matmul(h, self.recurrent_kernel[:, columns])
        if not self.layer_norm:
            return product
        return super().normalize(product, self.recurrent_gain[columns])

    def bias_parts(self) -> dict:
        """Returns what `weight_parts` says of the bias: both rows with `reset_after`."""
        if not self.reset_after:
            return super().bias_parts()
        return {
            f"b_{row}{symbol}": (self.bias, np.s_[index, columns])
            for index, row in enumerate("xh")
            for symbol, columns in self._columns()
        }

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "reset_after": self.reset_after,
            "recurrent_activation": activations.serialize(self.recurrent_activation),
        }
