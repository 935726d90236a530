"""The weights by the names of text books."""

import keras
import numpy as np
import pytest

from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell

LSTM_NAMES = "W_xi W_xf W_xc W_xo W_hi W_hf W_hc W_ho b_i b_f b_c b_o"
GRU_NAMES = "W_xz W_xr W_xh W_hz W_hr W_hh"


def built(cell):
    cell.build((None, 3))
    return cell


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (SimpleRNNCell(2), "W_xh W_hh b_h"),
        (SimpleRNNCell(2, use_bias=False, layer_norm=True), "W_xh W_hh a_xh a_hh"),
        (GRUCell(2), f"{GRU_NAMES} b_xz b_xr b_xh b_hz b_hr b_hh"),
        (GRUCell(2, reset_after=False), f"{GRU_NAMES} b_z b_r b_h"),
        (LSTMCell(2), LSTM_NAMES),
        (LSTMCell(2, peephole=True, proj_size=1), f"{LSTM_NAMES} p_i p_f p_o W_p"),
        (
            LSTMCell(2, coupled_gates=True, peephole=True),
            "W_xf W_xc W_xo W_hf W_hc W_ho b_f b_c b_o p_f p_o",
        ),
        (
            LSTMCell(2, layer_norm=True),
            f"{LSTM_NAMES} a_xi a_xf a_xc a_xo a_hi a_hf a_hc a_ho a_m b_m",
        ),
    ],
)
def test_names(cell, names):
    view = built(cell).gate_weights
    assert list(view) == list(view.keys()) == names.split()
    assert len(view) == len(names.split())


@pytest.mark.parametrize(
    "cell",
    [
        SimpleRNNCell(2, layer_norm=True),
        GRUCell(2),
        GRUCell(2, reset_after=False, layer_norm=True),
        LSTMCell(2, coupled_gates=True, peephole=True, proj_size=1, layer_norm=True),
    ],
)
def test_every_number_of_every_weight_is_in_one_place(cell):
    view = built(cell).gate_weights
    for number, name in enumerate(view, start=1):
        view[name] = np.full(view[name].shape, number)
    for number, name in enumerate(view, start=1):  # none was written over
        np.testing.assert_array_equal(view[name], np.full(view[name].shape, number))
    assert sum(value.size for value in view.values()) == cell.count_params()
    assert all(np.all(weight > 0) for weight in cell.get_weights())


def test_reads_a_copy():
    cell = built(LSTMCell(2))
    view = cell.gate_weights
    np.testing.assert_array_equal(view["W_xf"], cell.kernel.numpy()[:, 2:4])
    np.testing.assert_array_equal(view["b_f"], [1, 1])
    view["W_xf"][:] = 7
    assert not np.any(cell.kernel.numpy() == 7)


def test_assigns_into_the_weight():
    cell = built(GRUCell(2))
    cell.gate_weights["b_hr"] = [1.5, 2.5]
    np.testing.assert_array_equal(cell.bias.numpy(), [[0] * 6, [0, 0, 1.5, 2.5, 0, 0]])
    cell.gate_weights["W_xh"] = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(cell.kernel.numpy()[:, 4:], [[0, 1], [2, 3], [4, 5]])


def test_says_what_is_wrong():
    view = built(LSTMCell(2)).gate_weights
    with pytest.raises(ValueError, match=r"'W_xi' has the shape \(3, 2\).*shape \(2, 3\)"):
        view["W_xi"] = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"'b_i' has the shape \(2,\).*shape \(\)"):
        view["b_i"] = 1.0
    with pytest.raises(KeyError, match="No weight 'W_xz'; there are W_xi, W_xf"):
        view["W_xz"]
    with pytest.raises(ValueError, match="LSTMCell 'fresh' has no weights yet"):
        LSTMCell(2, name="fresh").gate_weights  # noqa: B018


def test_shows_names_and_shapes():
    text = repr(built(SimpleRNNCell(2)).gate_weights)
    assert text == "GateWeights:\n  W_xh: [3, 2]\n  W_hh: [2, 2]\n  b_h: [2]"


def test_keeps_the_dtype_of_the_weights():
    cell = built(LSTMCell(2, dtype="float16"))
    cell.gate_weights["b_c"] = [0.5, 0.25]
    assert cell.bias.dtype == keras.backend.standardize_dtype(cell.gate_weights["b_c"].dtype)
    assert float(cell.gate_weights["b_c"][1]) == 0.25
