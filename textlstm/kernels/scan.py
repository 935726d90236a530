"""The generic kernel: any cell, any mask, every backend of Keras."""

import keras
from keras import ops

from textlstm.cells import Cell


def scan(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs a cell over a whole sequence, one step after the other.

    What a cell computes from its inputs alone (`Cell.project_inputs`) is done for all steps at
    once, before the loop. The loop itself is that of `keras.layers.RNN`.

    Args:
        cell: a `textlstm.cells.Cell`, or any cell that `keras.layers.RNN` takes; already built.
        inputs: `[batch, time, features]`.
        initial_state: list of tensors `[batch, size]`, one for each state of the cell.
        mask: bool `[batch, time]`, or `None`. A step that is masked (False) copies the states and
            repeats the output before it (zeros, where there is none).
        reverse: whether to go from the last step to the first.
        training: whether the steps are part of training.

    Returns:
        `(outputs, states)`: `[batch, time, output_size]`, in the time order of the inputs whatever
        the direction, and the list of states after the last step that was run.
    """
    if isinstance(cell, Cell):
        inputs = cell.add_noise(cell.project_inputs(inputs), training=training)
        cell = _StepOf(cell, training)
    loop = keras.layers.RNN(
        cell,
        return_sequences=True,
        return_state=True,
        go_backwards=reverse,
        dtype=getattr(cell, "dtype_policy", None),
    )
    outputs, *states = loop.call(inputs, initial_state=initial_state, mask=mask, training=training)
    if reverse:
        outputs = ops.flip(outputs, axis=1)
    return outputs, states


class _StepOf:
    """The second half of a `Cell`, in the form in which `keras.layers.RNN` takes cells."""

    def __init__(self, cell: Cell, training: bool):
        self._cell = cell
        self._training = training
        self.state_size = cell.state_size
        self.output_size = cell.output_size
        self.dtype_policy = cell.dtype_policy
        self.compute_dtype = cell.compute_dtype

    def __call__(self, projected, states):
        return self._cell.step(projected, states, training=self._training)

    call = __call__
