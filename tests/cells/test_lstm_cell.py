"""The gate equations of the LSTM, by hand and against Keras."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm.cells import LSTMCell


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def cell_of_one_unit(kernel, recurrent_kernel, bias, *more_weights, **options):
    cell = LSTMCell(1, **options)
    cell.build((None, 1))
    weights = [[kernel], [recurrent_kernel], bias, *more_weights]
    cell.set_weights([np.array(weight) for weight in weights])
    return cell


def one_step(cell, x, h, c):
    """The output and the new states of one step of one row, as floats."""
    states = [tf.constant([[h]]), tf.constant([[c]])]
    output, (new_h, new_c) = cell(tf.constant([[x]]), states)
    return float(output[0, 0]), float(new_h[0, 0]), float(new_c[0, 0])


def layer_norm(row):
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    return [(value - mean) / math.sqrt(variance + 1e-5) for value in row]


def test_one_step_by_hand():
    # The gates in the order i, f, c, o; x = 2, h = 0.5, c = -1.
    cell = cell_of_one_unit(
        kernel=[0.1, 0.2, 0.3, 0.4], recurrent_kernel=[1, -1, 0.5, 2], bias=[0, 1, -0.5, 0.2]
    )
    i = sigmoid(2 * 0.1 + 0.5 * 1 + 0)
    f = sigmoid(2 * 0.2 + 0.5 * -1 + 1)
    g = math.tanh(2 * 0.3 + 0.5 * 0.5 - 0.5)
    o = sigmoid(2 * 0.4 + 0.5 * 2 + 0.2)
    c = f * -1 + i * g
    h = o * math.tanh(c)
    output, (new_h, new_c) = cell(
        tf.constant([[2.0]]), [tf.constant([[0.5]]), tf.constant([[-1.0]])]
    )
    assert float(output[0, 0]) == pytest.approx(h, abs=1e-6)
    assert float(new_h[0, 0]) == pytest.approx(h, abs=1e-6)
    assert float(new_c[0, 0]) == pytest.approx(c, abs=1e-6)


def test_one_step_with_peepholes_by_hand():
    # p_i = 0.7, p_f = -0.2, p_o = 1.5; else as above: x = 2, h = 0.5, c = -1.
    cell = cell_of_one_unit(
        [0.1, 0.2, 0.3, 0.4],
        [1, -1, 0.5, 2],
        [0, 1, -0.5, 0.2],
        [[0.7], [-0.2], [1.5]],
        peephole=True,
    )
    i = sigmoid(2 * 0.1 + 0.5 * 1 + 0 + 0.7 * -1)
    f = sigmoid(2 * 0.2 + 0.5 * -1 + 1 + -0.2 * -1)
    g = math.tanh(2 * 0.3 + 0.5 * 0.5 - 0.5)
    c = f * -1 + i * g
    o = sigmoid(2 * 0.4 + 0.5 * 2 + 0.2 + 1.5 * c)  # sees the new memory
    h = o * math.tanh(c)
    assert one_step(cell, 2.0, 0.5, -1.0) == pytest.approx((h, h, c), abs=1e-6)


def test_one_step_with_coupled_gates_by_hand():
    # The gates in the order f, c, o; x = 2, h = 0.5, c = -1.
    cell = cell_of_one_unit([0.2, 0.3, 0.4], [-1, 0.5, 2], [1, -0.5, 0.2], coupled_gates=True)
    f = sigmoid(2 * 0.2 + 0.5 * -1 + 1)
    g = math.tanh(2 * 0.3 + 0.5 * 0.5 - 0.5)
    o = sigmoid(2 * 0.4 + 0.5 * 2 + 0.2)
    c = f * -1 + (1 - f) * g
    h = o * math.tanh(c)
    assert one_step(cell, 2.0, 0.5, -1.0) == pytest.approx((h, h, c), abs=1e-6)


def test_one_step_with_coupled_gates_and_peepholes_by_hand():
    # The peepholes in the order f, o.
    cell = cell_of_one_unit(
        [0.2, 0.3, 0.4],
        [-1, 0.5, 2],
        [1, -0.5, 0.2],
        [[-0.2], [1.5]],
        coupled_gates=True,
        peephole=True,
    )
    f = sigmoid(2 * 0.2 + 0.5 * -1 + 1 + -0.2 * -1)
    g = math.tanh(2 * 0.3 + 0.5 * 0.5 - 0.5)
    c = f * -1 + (1 - f) * g
    o = sigmoid(2 * 0.4 + 0.5 * 2 + 0.2 + 1.5 * c)
    h = o * math.tanh(c)
    assert one_step(cell, 2.0, 0.5, -1.0) == pytest.approx((h, h, c), abs=1e-6)


def test_one_step_with_a_projection_by_hand():
    # Two units of memory, one number of hidden state: h = 0.5, c = (-1, 2); x = 2.
    cell = LSTMCell(2, proj_size=1)
    cell.build((None, 1))
    kernel = [0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4]
    recurrent_kernel = [1, 0, -1, 0, 0.5, 0, 2, 0]
    cell.set_weights(
        [np.array([kernel]), np.array([recurrent_kernel]), np.zeros(8), np.array([[3.0], [-2.0]])]
    )
    c_1 = sigmoid(0.4 - 0.5) * -1 + sigmoid(0.2 + 0.5) * math.tanh(0.6 + 0.25)
    c_2 = sigmoid(-0.4) * 2 + sigmoid(-0.2) * math.tanh(-0.6)
    shown_1 = sigmoid(0.8 + 1.0) * math.tanh(c_1)
    shown_2 = sigmoid(-0.8) * math.tanh(c_2)
    output, (h, c) = cell(tf.constant([[2.0]]), [tf.constant([[0.5]]), tf.constant([[-1.0, 2.0]])])
    np.testing.assert_allclose(c, [[c_1, c_2]], atol=1e-6)
    np.testing.assert_allclose(h, [[3 * shown_1 - 2 * shown_2]], atol=1e-6)
    np.testing.assert_array_equal(output, h)


def test_one_step_with_layer_norm_by_hand():
    # Two units; the gates in the order i i f f c c o o; x = 2, h = (0.5, -1), c = (-1, 2).
    cell = LSTMCell(2, layer_norm=True)
    cell.build((None, 1))
    w_x = [0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.5]
    w_h = [[1, 0, -1, 0, 0.5, 0, 2, 0], [0, 0.5, 0, 1, 0, -1, 0, 0.1]]
    b = [0, 0.1, 1, 1, -0.5, 0.2, 0.2, 0]
    a_x, a_h = [1, 2, 1, 0.5, 1, 1, 3, 1], [0.5, 1, 1, 1, 2, 1, 1, 0.1]
    a_m, b_m = [2, 0.5], [0.1, -0.3]
    cell.set_weights([np.array(w) for w in ([w_x], w_h, b, a_x, a_h, a_m, b_m)])
    from_x = layer_norm([2 * w for w in w_x])
    from_h = layer_norm([0.5 * first - second for first, second in zip(*w_h)])
    z = [gx * x + gh * h + bias for gx, x, gh, h, bias in zip(a_x, from_x, a_h, from_h, b)]
    c_1 = sigmoid(z[2]) * -1 + sigmoid(z[0]) * math.tanh(z[4])
    c_2 = sigmoid(z[3]) * 2 + sigmoid(z[1]) * math.tanh(z[5])
    m_1, m_2 = layer_norm([c_1, c_2])
    h_1 = sigmoid(z[6]) * math.tanh(2 * m_1 + 0.1)
    h_2 = sigmoid(z[7]) * math.tanh(0.5 * m_2 - 0.3)
    output, (_, c) = cell(
        tf.constant([[2.0]]), [tf.constant([[0.5, -1.0]]), tf.constant([[-1.0, 2.0]])]
    )
    np.testing.assert_allclose(c, [[c_1, c_2]], atol=1e-6)
    np.testing.assert_allclose(output, [[h_1, h_2]], atol=1e-6)


@pytest.mark.parametrize("x", [-3.0, 0.0, 5.0])
def test_forget_one_and_input_zero_copies_the_memory(x):
    # σ(±200) is 1 and 0 in float32, exactly.
    cell = cell_of_one_unit([0, 0, 1, 0], [0, 0, 0, 0], bias=[-200, 200, 0, 0])
    memory = np.float32(0.7)
    assert one_step(cell, x, 0.3, memory)[2] == memory


def test_forget_zero_and_input_one_empties_the_history():
    cell = cell_of_one_unit([0, 0, 1, 0], [0, 0, 0, 0], bias=[200, -200, 0, 0])
    after_50, after_3 = one_step(cell, 2.0, 0.3, 50.0), one_step(cell, 2.0, 0.3, -3.0)
    assert after_50 == after_3
    assert after_50[2] == pytest.approx(math.tanh(2.0))


def like_plain(options, **more_weights):
    """A variant and a plain cell of 4 units with the weights in common, and inputs for both."""
    variant, plain = LSTMCell(4, **options), LSTMCell(4)
    x, h, c = (keras.random.normal((2, size), seed=size) for size in (3, 4, 4))
    variant.build(x.shape)
    plain.build(x.shape)
    plain.set_weights(variant.get_weights()[:3])
    for name, value in more_weights.items():
        variant.gate_weights[name] = value
    return variant(x, [h, c]), plain(x, [h, c])


def test_peepholes_of_zero_are_a_plain_cell():
    (output, states), (expected, expected_states) = like_plain({"peephole": True})
    np.testing.assert_allclose(output, expected, atol=1e-7)
    np.testing.assert_allclose(states[1], expected_states[1], atol=1e-7)


def test_the_identity_as_projection_is_a_plain_cell():
    (output, states), (expected, expected_states) = like_plain({"proj_size": 4}, W_p=np.eye(4))
    np.testing.assert_allclose(output, expected, atol=1e-6)
    np.testing.assert_allclose(states[1], expected_states[1], atol=1e-6)


@pytest.mark.parametrize("peephole", [False, True])
def test_coupled_gates_add_up_to_one(peephole):
    cell = LSTMCell(4, coupled_gates=True, peephole=peephole)
    x, h, c = (keras.random.normal((2, size), seed=size) for size in (3, 4, 4))
    cell.build(x.shape)
    gates = cell.compute_gates(cell.project_inputs(x), [h, c])
    assert cell.gates == ("forget", "candidate", "output")
    assert tuple(gates) == ("input", *cell.gates)
    np.testing.assert_allclose(gates["input"] + gates["forget"], np.ones((2, 4)), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"peephole": True}, {"coupled_gates": True}])
def test_the_gates_are_those_of_the_step(options):
    cell = LSTMCell(4, **options)
    x, h, c = (keras.random.normal((2, size), seed=size) for size in (3, 4, 4))
    cell.build(x.shape)
    if cell.peephole:
        cell.peephole_kernel.assign(np.arange(12).reshape(3, 4) / 6 - 1)
    gate = {
        name: np.array(g) for name, g in cell.compute_gates(cell.project_inputs(x), [h, c]).items()
    }
    new_c = gate["forget"] * c + gate["input"] * gate["candidate"]
    output, states = cell(x, [h, c])
    np.testing.assert_allclose(states[1], new_c, atol=1e-6)
    np.testing.assert_allclose(output, gate["output"] * np.tanh(new_c), atol=1e-6)


def test_gates_have_their_names_and_ranges():
    cell = LSTMCell(4)
    x = keras.random.normal((3, 2), seed=1)
    cell.build(x.shape)
    gates = cell.compute_gates(cell.project_inputs(x), cell.get_initial_state(3))
    assert tuple(gates) == ("input", "forget", "candidate", "output")
    for name, values in gates.items():
        assert values.shape == (3, 4)
        low = -1 if name == "candidate" else 0
        assert low <= float(np.min(values)) and float(np.max(values)) <= 1


def test_the_forget_bias_begins_at_one():
    cell = LSTMCell(2)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), [0, 0, 1, 1, 0, 0, 0, 0])
    cell = LSTMCell(2, unit_forget_bias=False)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), np.zeros(8))


def test_the_forget_bias_begins_where_a_number_says():
    cell = LSTMCell(2, unit_forget_bias=2.5, bias_initializer="ones")
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), [1, 1, 2.5, 2.5, 1, 1, 1, 1])
    cell = LSTMCell(2, unit_forget_bias=0.0, bias_initializer="ones", coupled_gates=True)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias.numpy(), [0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu"}])
def test_equals_the_cell_of_keras(options):
    ours, theirs = LSTMCell(5, **options), keras.layers.LSTMCell(5, **options)
    x, h, c = (keras.random.normal((3, n), seed=n) for n in (4, 5, 5))
    ours.build(x.shape)
    theirs.build(x.shape)
    ours.set_weights(theirs.get_weights())
    output, states = ours(x, [h, c])
    expected, expected_states = theirs(x, [h, c])
    np.testing.assert_allclose(output, expected, atol=1e-6)
    for state, expected_state in zip(states, expected_states):
        np.testing.assert_allclose(state, expected_state, atol=1e-6)


def test_runs_inside_the_rnn_layer_of_keras():
    cell = LSTMCell(5)
    layer, stock = keras.layers.RNN(cell), keras.layers.LSTM(5)
    x = keras.random.normal((3, 6, 4), seed=0)
    layer.build(x.shape)
    stock.build(x.shape)
    layer.set_weights(stock.get_weights())
    np.testing.assert_allclose(layer(x), stock(x), atol=1e-6)


def test_config_makes_the_same_cell():
    cell = LSTMCell(
        5, unit_forget_bias=False, kernel_regularizer="l2", activation="relu", dtype="float64"
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert type(again) is LSTMCell
    assert again.get_config() == cell.get_config()


@pytest.mark.parametrize(
    "options", [{"proj_size": -1}, {"proj_size": 2.0}, {"unit_forget_bias": "ones"}]
)
def test_options_of_a_wrong_kind_are_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` of LSTMCell must be"):
        LSTMCell(4, **options)


@pytest.mark.parametrize("units", [0, -1, 2.5, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match="`units` of LSTMCell must be a positive integer"):
        LSTMCell(units)
