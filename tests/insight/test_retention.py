"""Half-lives and what is left, of gates set by hand."""

import numpy as np
import pytest

from textlstm import InputError
from textlstm.insight import Trace, half_lives, retention


def make_trace(forget):
    """A trace of one layer with the forget gates `[directions, tokens, units]`."""
    gates = {"forget": np.asarray(forget, "float32")[None]}
    tokens = tuple("abcdefg"[: gates["forget"].shape[2]])
    return Trace("recurrent", tokens, gates, {}, {}, (), "forget")


def test_half_of_it_is_gone_after_the_half_life():
    #                       unit: halved at each step, halved at every second, kept, emptied
    forget = [[[0.5, np.sqrt(0.5), 1.0, 0.0]] * 3]
    np.testing.assert_allclose(half_lives(make_trace(forget))[0, 0], [1, 2, np.inf, 0], rtol=1e-6)


def test_what_is_left_is_the_product_of_the_gates_after_a_token():
    forward = [[0.9], [0.5], [0.25]]
    backward = [[0.1], [0.5], [0.9]]
    left = retention(make_trace([forward, backward]))[0, :, :, 0]
    np.testing.assert_allclose(left[0], [0.125, 0.25, 1])
    np.testing.assert_allclose(left[1], [1, 0.1, 0.05])


def test_a_cell_without_such_a_gate_is_told():
    trace = Trace("recurrent", ("a",), {"candidate": np.zeros((1, 1, 1, 2))}, {}, {}, (), None)
    with pytest.raises(InputError, match="gate that keeps; these have candidate"):
        half_lives(trace)
