"""Kernels: a whole sequence at once, for one cell in one direction."""

from textlstm.kernels.scan import scan

__all__ = ["run_cell", "scan"]


def run_cell(cell, inputs, initial_state, mask=None, reverse=False, training=False):
    """Runs a cell over a sequence with the kernel that fits the cell.

    The choice rests on the cell alone, never on the hardware at hand, and every kernel gives what
    the cell gives. Today there is one kernel, the generic `scan`.

    Args:
        cell: a built cell.
        inputs: `[batch, time, features]`.
        initial_state: list of tensors `[batch, size]`.
        mask: bool `[batch, time]`, or `None`.
        reverse: whether to go from the last step to the first.
        training: whether the steps are part of training.

    Returns:
        `(outputs, states)`, see `scan`.
    """
    return scan(cell, inputs, initial_state, mask=mask, reverse=reverse, training=training)
