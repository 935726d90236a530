"""Which cells have a kernel of their own under TensorFlow."""

from functools import partial

import keras

from textlstm.cells import GRUCell, LSTMCell
from textlstm.kernels.tensorflow_gru import run_gru
from textlstm.kernels.tensorflow_loop import in_halves
from textlstm.kernels.tensorflow_lstm import run_lstm


def find_kernel(cell, training, directions: int = 1):
    """Returns the kernel for a cell, or `None` where only the generic one will do.

    The built-in LSTM (also with peepholes, coupled gates and projection) and GRU (`reset_after`)
    have kernels, with the usual activations and without layer normalisation and noise. A subclass
    has none: it may have changed the equations.

    Args:
        cell: a built cell.
        training: whether the steps are part of training; recurrent dropout only counts then.
        directions: in how many directions the layer reads. The four gates of an LSTM share two
            processors evenly, the three of a GRU do not: of a single direction the halves of the
            batch are run side by side.

    Returns:
        A function with the arguments and the result of `scan`.
    """
    if type(cell) not in (LSTMCell, GRUCell):
        return None
    is_usual = (
        cell.activation is keras.activations.tanh
        and cell.recurrent_activation is keras.activations.sigmoid
        and not cell.layer_norm
        and not any(cell.zoneout_rates)
        and (not cell.recurrent_dropout or training is False)
    )
    if type(cell) is LSTMCell:
        return run_lstm if is_usual else None
    if not (is_usual and cell.reset_after):
        return None
    return partial(in_halves, run_gru) if directions == 1 else run_gru
