"""One step of a simple recurrent network."""

import keras

from textlstm.cells.gated_cell import GatedCell


@keras.saving.register_keras_serializable(package="textlstm")
class SimpleRNNCell(GatedCell):
    """One step of a simple recurrent network, with no gate at all.

    The cell keeps one state `h`, and computes it anew at each step. With the inputs `x_t` as a row:

        h_t = tanh(x_t W_xh + h_{t-1} W_hh + b_h)

    Weights:

    - `kernel`            `[features, units]` = W_xh
    - `recurrent_kernel`  `[units, units]`    = W_hh
    - `bias`              `[units]`           = b_h

    The output is `h_t`, `[batch, units]`; the states are `[h_t]`.

    Args:
        units: size of the state, a positive int.
        **kwargs: the options of `textlstm.cells.GatedCell`: `activation`, `use_bias`,
            `layer_norm`, `recurrent_dropout`, `zoneout`, `seed`, initializers, regularizers,
            constraints, and `name`, `dtype`.

    Raises:
        ValueError: if an option is out of its range.

    References:
        - Elman, Finding Structure in Time, Cognitive Science 14(2), 1990.

    Example:
        >>> cell = SimpleRNNCell(8)
        >>> inputs = keras.random.normal((2, 5))  # [batch, features]
        >>> output, states = cell(inputs, cell.get_initial_state(2))
        >>> output.shape, [state.shape for state in states]
        ((2, 8), [(2, 8)])
    """

    gates = ("candidate",)  # what the GRU calls so; here it is h_t itself
    symbols = "h"

    def compute_gates(self, projected, states) -> dict:
        """Computes `{"candidate": h_t}`, as if it were a gate; see `GatedCell.compute_gates`."""
        (h,) = states
        return {"candidate": self.activation(projected + self.project_hidden(h))}

    def next_states(self, projected, recalled, states) -> list:
        """Computes `[h_t]`; see `NoisyCell.next_states`."""
        return [self.compute_gates(projected, recalled)["candidate"]]
