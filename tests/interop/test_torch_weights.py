"""Weights from torch compute what torch computed, and go back as they came."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm import InputError
from textlstm.cells import GRUCell, LSTMCell, SimpleRNNCell
from textlstm.interop import from_torch, load_torch_weights, save_safetensors, to_torch
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "torch_rnn.npz"
with np.load(GOLDEN) as _file:
    LAYOUT = json.loads(str(_file["layout"]))
    VECTORS = {name: _file[name] for name in LAYOUT}


def golden(name):
    """Returns the arrays of one module: those without a gradient, and the gradients."""
    arrays, start = {}, 0
    for key, shape in LAYOUT[name].items():
        size = int(np.prod(shape))
        arrays[key] = VECTORS[name][start : start + size].reshape(shape)
        start += size
    gradients = {
        key.removeprefix("gradient:"): arrays.pop(key)
        for key in list(arrays)
        if key.startswith("gradient:")
    }
    return arrays, gradients


def weights_of(arrays):
    """Returns the `state_dict` among the arrays."""
    return {name: array for name, array in arrays.items() if name.startswith(("weight", "bias"))}


def listed(arrays, name):
    """Returns `name_0`, `name_1`, … with the batch first, as our states have it."""
    found = [arrays[f"{name}_{i}"] for i in range(2) if f"{name}_{i}" in arrays]
    return [array.swapaxes(0, 1) for array in found]


@pytest.mark.parametrize("name", LAYOUT)
def test_computes_what_torch_computed(name):
    arrays, gradients = golden(name)
    layer = from_torch(weights_of(arrays), return_sequences=True, return_state=True)
    kind, num_layers, directions, bias, *_ = name.split("-")
    assert type(layer) is {"lstm": LSTM, "gru": GRU, "rnn": SimpleRNN}[kind]
    assert layer.num_layers == int(num_layers)
    assert layer.bidirectional == (directions == "both")
    assert layer.cell.use_bias == (bias == "bias")

    inputs = tf.constant(arrays["inputs"])
    states = [tf.constant(state) for state in listed(arrays, "state")]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *states])
        outputs, final = layer(inputs, initial_state=states)
        loss = tf.reduce_sum(tf.sin(3 * outputs))
        loss += sum(tf.reduce_sum(tf.cos(state)) for state in final)
    np.testing.assert_allclose(outputs, arrays["outputs"], atol=1e-5)
    for got, want in zip(final, listed(arrays, "final"), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)

    by_inputs, by_states, by_weights = tape.gradient(loss, [inputs, states, layer.weights])
    np.testing.assert_allclose(by_inputs, gradients["inputs"], atol=1e-4)
    for got, want in zip(by_states, listed(gradients, "state"), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)
    # torch's gradients, moved as if they were weights. A sum of two biases then holds the gradient
    # twice, for each of the two has that of the sum.
    expected = from_torch(weights_of(gradients)).weights
    for weight, got, want in zip(layer.weights, by_weights, expected, strict=True):
        summed = weight.name == "bias" and kind != "gru"
        np.testing.assert_allclose(
            got, want / 2 if summed else want, atol=1e-4, err_msg=weight.path
        )


@pytest.mark.parametrize("name", [name for name in LAYOUT if "-2-both" in name])
def test_goes_back_as_it_came(name):
    state_dict = weights_of(golden(name)[0])
    again = to_torch(from_torch(state_dict))
    assert list(again) == list(state_dict)
    for key, array in state_dict.items():
        assert again[key].shape == array.shape
        if not (key.startswith("bias") and "gru" not in name):
            np.testing.assert_array_equal(again[key], array)
    if "-bias" in name:
        for place in ("_l0", "_l1_reverse"):
            total = state_dict["bias_ih" + place] + state_dict["bias_hh" + place]
            np.testing.assert_array_equal(
                again["bias_ih" + place] + again["bias_hh" + place], total
            )


def test_the_gates_are_put_in_order():
    # A GRU of torch has the order r, z, n; one unit, one feature.
    state_dict = {
        "weight_ih_l0": np.array([[1.0], [2.0], [3.0]]),
        "weight_hh_l0": np.array([[4.0], [5.0], [6.0]]),
        "bias_ih_l0": np.array([7.0, 8.0, 9.0]),
        "bias_hh_l0": np.array([10.0, 11.0, 12.0]),
    }
    kernel, recurrent_kernel, bias = from_torch(state_dict).get_weights()
    np.testing.assert_array_equal(kernel, [[2, 1, 3]])
    np.testing.assert_array_equal(recurrent_kernel, [[5, 4, 6]])
    np.testing.assert_array_equal(bias, [[8, 7, 9], [11, 10, 12]])


@pytest.mark.parametrize(
    ("name", "cell_class"), [("lstm", LSTMCell), ("gru", GRUCell), ("rnn", SimpleRNNCell)]
)
def test_cells(name, cell_class):
    arrays, _ = golden(f"{name}-1-forward-bias")
    state_dict = {key.removesuffix("_l0"): value for key, value in weights_of(arrays).items()}
    cell = from_torch(state_dict)
    assert type(cell) is cell_class and cell.built
    states = [state[:, 0] for state in listed(arrays, "state")]
    output, _ = cell(arrays["inputs"][:, 0], states)
    np.testing.assert_allclose(output, arrays["outputs"][:, 0], atol=1e-5)
    assert list(to_torch(cell)) == list(state_dict)


def test_a_module_inside_of_another_is_named_by_its_prefix():
    arrays, _ = golden("lstm-1-forward-bias")
    state_dict = weights_of(arrays)
    whole = {f"encoder.lstm.{key}": value for key, value in state_dict.items()}
    whole["head.weight"] = np.zeros((2, 4))
    for prefix in ("encoder.lstm", "encoder.lstm."):
        layer = from_torch(whole, prefix)
        np.testing.assert_array_equal(
            layer.get_weights()[0], np.transpose(state_dict["weight_ih_l0"])
        )
    with pytest.raises(InputError, match="as prefix: 'encoder.lstm'"):
        from_torch(whole)
    with pytest.raises(InputError, match=r"begins with 'decoder\.'"):
        from_torch(whole, "decoder")


def test_weights_are_loaded_into_a_layer():
    arrays, _ = golden("gru-2-both-bias")
    layer = RNN(GRUCell(4), num_layers=2, bidirectional=True, return_sequences=True)
    load_torch_weights(layer, weights_of(arrays))
    expected = from_torch(weights_of(arrays), return_sequences=True)
    np.testing.assert_array_equal(layer(arrays["inputs"]), expected(arrays["inputs"]))


def test_options_of_the_layer_are_kept():
    arrays, _ = golden("rnn-1-forward-bias")
    layer = from_torch(weights_of(arrays), activation="relu", name="reader", dtype="float64")
    assert layer.name == "reader"
    assert layer.cell.activation is keras.activations.relu
    assert layer.dtype == layer.cell.dtype == "float64"
    assert from_torch(to_torch(layer), activation="relu").cell.kernel.dtype == "float32"


def test_safetensors_files_are_written_and_read(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    layer = GRU(4, num_layers=2)
    layer.build((None, None, 3))
    path = tmp_path / "gru.safetensors"
    save_safetensors(layer, path)
    assert [file.name for file in tmp_path.iterdir()] == ["gru.safetensors"]
    for got, want in zip(from_torch(path).get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cannot be read as a .safetensors file"):
        from_torch(path)
    with pytest.raises(InputError, match="No such file"):
        from_torch(tmp_path / "nothing.safetensors")


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(InputError, match="pip install safetensors"):
        from_torch(tmp_path / "weights.safetensors")


LSTM_1 = weights_of(golden("lstm-1-forward-bias")[0])


def built(layer):
    layer.build((None, None, 3))
    return layer


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_torch(7), "of type int"),
        (lambda: from_torch("weights.pt"), "only .safetensors files are read"),
        (lambda: from_torch({}), "no tensor"),
        (lambda: from_torch({"weight": np.zeros((2, 2))}), "weight_ih_l0 and weight_hh_l0"),
        (lambda: from_torch({**LSTM_1, "scale": np.zeros(2)}), "scale is unknown"),
        (
            lambda: from_torch({k: v for k, v in LSTM_1.items() if k != "bias_hh_l0"}),
            "bias_hh_l0 is missing",
        ),
        (
            lambda: from_torch({**LSTM_1, "bias_ih_l0": np.zeros(5)}),
            r"bias_ih_l0 has the shape \(5,\) instead of \(16,\)",
        ),
        (
            lambda: from_torch({**LSTM_1, "weight_hh_l0": np.zeros((8, 4))}),
            "an LSTM has 4 rows",
        ),
        (lambda: load_torch_weights(LSTM(5), LSTM_1), "units=5"),
        (lambda: load_torch_weights(LSTM(4, num_layers=2), LSTM_1), "num_layers=2"),
        (lambda: load_torch_weights(GRU(4), LSTM_1), "it is torch.nn.GRU"),
        (lambda: to_torch(LSTM(4)), "has no weights yet"),
        (lambda: to_torch(keras.layers.LSTM(4)), "no counterpart of LSTM"),
        (lambda: to_torch(built(LSTM(4, peephole=True))), "has peephole=True"),
        (lambda: to_torch(built(LSTM(4, residual=True))), "has residual=True"),
        (lambda: to_torch(built(GRU(4, reset_after=False))), "has reset_after=False"),
        (lambda: to_torch(built(LSTM(4, activation="relu"))), "has activation='relu'"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (extra: bench)")


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_module_is_read_and_its_weights_go_back(torch, kind):
    options = {"proj_size": 2} if kind == "LSTM" else {}
    options |= {"nonlinearity": "relu"} if kind == "RNN" else {}
    make = getattr(torch.nn, kind)
    module = make(3, 4, num_layers=2, bidirectional=True, dropout=0.25, **options)
    layer = from_torch(module, return_sequences=True)
    assert layer.dropout == 0.25
    inputs = torch.randn(2, 5, 3)
    expected = module.eval()(inputs.swapaxes(0, 1))[0].detach().numpy().swapaxes(0, 1)
    np.testing.assert_allclose(layer(inputs.numpy()), expected, atol=1e-5)

    other = make(3, 4, num_layers=2, bidirectional=True, **options)
    other.load_state_dict({key: torch.from_numpy(w) for key, w in to_torch(layer).items()})
    got = other(inputs.swapaxes(0, 1))[0].detach().numpy().swapaxes(0, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_a_cell_is_read(torch, kind):
    module = torch.nn.ModuleDict({"reader": getattr(torch.nn, kind)(3, 4)})
    cell = from_torch(module, "reader")
    inputs, h = torch.randn(2, 3), torch.zeros(2, 4)
    expected = module["reader"](inputs, (h, h) if kind == "LSTMCell" else h)
    expected = expected[0] if kind == "LSTMCell" else expected
    output, _ = cell(inputs.numpy(), cell.get_initial_state(2))
    np.testing.assert_allclose(output, expected.detach().numpy(), atol=1e-5)


@pytest.mark.torch
def test_half_precision_is_read(torch):
    module = torch.nn.GRU(3, 4).to(torch.bfloat16)
    kernel = from_torch(module).get_weights()[0]
    expected = module.weight_ih_l0.detach().float().numpy().T
    np.testing.assert_array_equal(kernel[:, 8:], expected[:, 8:])


@pytest.mark.torch
def test_half_precision_files_are_read(torch, tmp_path):
    files = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    module = torch.nn.LSTM(3, 4).to(torch.bfloat16)
    files.save_file(module.state_dict(), tmp_path / "lstm.safetensors")
    for got, want in zip(
        from_torch(tmp_path / "lstm.safetensors").get_weights(),
        from_torch(module).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)
