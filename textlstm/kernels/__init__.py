"""Kernels: a whole sequence at once, for one cell in one direction."""

import keras

from textlstm.cells import Cell
from textlstm.kernels.scan import scan

__all__ = ["run_cell", "scan"]


def run_cell(cell, inputs, initial_state, mask=None, reverse=False, training=False, directions=1):
    """Runs a cell over a sequence with the kernel that fits the cell.

    The choice rests on what the cell is, never on the hardware at hand, and every kernel gives what
    the cell gives. Under TensorFlow, `LSTMCell` and `GRUCell` as most people use them have kernels
    of their own (`tensorflow_kernels.find_kernel` says which); all else runs by the generic `scan`.

    Args:
        cell: a built cell.
        inputs: `[batch, time, features]`.
        initial_state: list of tensors `[batch, size]`.
        mask: bool `[batch, time]`, or `None`.
        reverse: whether to go from the last step to the first.
        training: whether the steps are part of training.
        directions: in how many directions the layer reads: two already share the processors.

    Returns:
        `(outputs, states)`, see `scan`.
    """
    if isinstance(cell, Cell):
        cell = cell.for_sequence(training=training)
    options = {"mask": mask, "reverse": reverse, "training": training}
    if keras.backend.backend() == "tensorflow":
        from textlstm.kernels.tensorflow_kernels import find_kernel

        kernel = find_kernel(cell, training, directions)
        if kernel is not None:
            return kernel(cell, inputs, initial_state, **options)
    return scan(cell, inputs, initial_state, **options)
