"""How long memories keep what they read."""

import numpy as np

from textlstm.errors import InputError
from textlstm.insight.recording import Trace


def half_lives(trace: Trace) -> np.ndarray:
    """Computes after how many steps half of a memory is gone, of every unit, over this text.

    The gate that keeps, k_t (LSTM: the forget gate f_t; GRU: the update gate z_t), multiplies what
    the unit remembers at every step. With its geometric mean over the text

        half-life = ln(1/2) / mean_t ln k_t          in steps

    A step is a token, or as many as a convolution before the layer pools into one. What counts is
    kept by the gate alone; what is read again later may restore it.

    Args:
        trace: of an LSTM or GRU.

    Returns:
        float32 `[layers, directions, units]`; infinite where the gate is 1 throughout.

    Raises:
        InputError: if the cells have no gate that keeps.

    References:
        - Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997.
        - Gers, Schmidhuber and Cummins, Learning to Forget, Neural Computation 12(10), 2000.
    """
    with np.errstate(divide="ignore"):
        loss = -np.log(np.asarray(_keep_gate(trace), "float64")).mean(axis=2)
        return (np.log(2) / np.abs(loss)).astype("float32")


def retention(trace: Trace) -> np.ndarray:
    """Computes what share of what each unit held after a token is left when the text is read.

        retention_t = ∏ k_s        over the steps s that come after t

    Args:
        trace: of an LSTM or GRU.

    Returns:
        float32 `[layers, directions, tokens, units]`, 1 at the token that is read last (in the
        backward direction the first).

    Raises:
        InputError: if the cells have no gate that keeps.
    """
    keep = np.asarray(_keep_gate(trace), "float64")
    forward = np.ones_like(keep)
    forward[:, :, :-1] = np.cumprod(keep[:, :, :0:-1], axis=2)[:, :, ::-1]
    backward = np.ones_like(keep)
    backward[:, :, 1:] = np.cumprod(keep[:, :, :-1], axis=2)
    return np.concatenate([forward[:, :1], backward[:, 1:]], axis=1).astype("float32")


def _keep_gate(trace: Trace) -> np.ndarray:
    if trace.keep is None:
        raise InputError(
            "only LSTM and GRU cells have a gate that keeps; these have "
            f"{', '.join(trace.gates) or 'none that is named'}"
        )
    return trace.gates[trace.keep]
