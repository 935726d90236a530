"""Stock Keras layers become ours and ours stock ones, and compute the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textlstm import InputError
from textlstm.cells import GRUCell
from textlstm.interop import from_keras, to_keras
from textlstm.layers import GRU, LSTM, RNN, SimpleRNN

STOCK = keras.layers
PAIRS = {
    "lstm": (LSTM, STOCK.LSTM),
    "gru": (GRU, STOCK.GRU),
    "simple": (SimpleRNN, STOCK.SimpleRNN),
}
X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
MASK = tf.constant(np.random.default_rng(1).random((3, 6)) < 0.7)


def built(layer):
    """Gives a layer weights of which none is zero."""
    layer.build(X.shape)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") / 2 for w in layer.get_weights()])
    return layer


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
def test_one_layer_there_and_back(kind, bidirectional, use_bias, sequences):
    ours_class, stock_class = PAIRS[kind]
    stock = stock_class(5, use_bias=use_bias, return_sequences=sequences, name="reader")
    stock = built(STOCK.Bidirectional(stock, name="reader") if bidirectional else stock)
    ours = from_keras(stock)
    assert type(ours) is ours_class and ours.name == "reader"
    expected = stock(X, mask=MASK)
    np.testing.assert_allclose(ours(X, mask=MASK), expected, atol=1e-6)
    again = to_keras(ours)
    assert type(again) is type(stock)
    np.testing.assert_allclose(again(X, mask=MASK), expected, atol=1e-6)


# A keras.Sequential hands the mask it is given on to its layers, and warns that it does not.
@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_stacks_there_and_back(kind, bidirectional):
    ours = PAIRS[kind][0](5, num_layers=3, bidirectional=bidirectional, dropout=0.3)
    expected = built(ours)(X, mask=MASK)
    stock = to_keras(ours)
    assert [type(layer).__name__ for layer in stock.layers[1::2]] == ["Dropout", "Dropout"]
    np.testing.assert_allclose(stock(X, mask=MASK), expected, atol=1e-6)
    for source in (stock, stock.layers):
        again = from_keras(source)
        assert again.get_config() == {**ours.get_config(), "name": again.name}
        np.testing.assert_array_equal(again(X, mask=MASK), expected)


def test_options_are_carried():
    options = {
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "reset_after": False,
        "recurrent_dropout": 0.2,
        "kernel_regularizer": keras.regularizers.L2(0.1),
        "bias_initializer": "ones",
        "return_sequences": True,
        "return_state": True,
        "dtype": "mixed_bfloat16",
        "trainable": False,
    }
    stock = STOCK.GRU(5, **options)
    ours = from_keras(stock)
    assert not ours.built  # nor was the one it came from
    config = to_keras(ours).get_config()
    assert config == {**stock.get_config(), "name": config["name"]}
    assert ours.cell.get_config()["recurrent_dropout"] == 0.2


def test_variational_dropout_is_spatial_dropout():
    ours = LSTM(3, num_layers=2, dropout=0.5, variational_dropout=True)
    stock = to_keras(ours)
    assert type(stock.layers[1]) is STOCK.SpatialDropout1D
    assert from_keras(stock).variational_dropout


def test_states_are_the_same():
    stock = built(STOCK.Bidirectional(STOCK.LSTM(5, return_state=True)))
    _, *expected = stock(X)
    _, (h_n, c_n) = from_keras(stock)(X)
    for got, want in zip((h_n[:, 0], c_n[:, 0], h_n[:, 1], c_n[:, 1]), expected, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_keras(STOCK.Dense(3)), "got Dense"),
        (lambda: from_keras("lstm"), "got 'lstm'"),
        (lambda: from_keras(STOCK.LSTM(3, dropout=0.1)), "has dropout=0.1"),
        (lambda: from_keras(STOCK.GRU(3, go_backwards=True)), "has go_backwards=True"),
        (lambda: from_keras(STOCK.GRU(3, stateful=True)), "has stateful=True"),
        (
            lambda: from_keras(STOCK.Bidirectional(STOCK.LSTM(3), merge_mode="sum")),
            "has merge_mode='sum'",
        ),
        (
            lambda: from_keras(
                STOCK.Bidirectional(
                    STOCK.LSTM(3), backward_layer=STOCK.LSTM(4, go_backwards=True, name="back")
                )
            ),
            "has backward_layer='back'",
        ),
        (lambda: from_keras([STOCK.LSTM(3), STOCK.LSTM(3)]), "does not return sequences"),
        (
            lambda: from_keras([STOCK.LSTM(4, return_sequences=True), STOCK.LSTM(3)]),
            "differs from layer",
        ),
        (
            lambda: from_keras([STOCK.LSTM(3, return_sequences=True), STOCK.Dropout(0.1)]),
            "between each two",
        ),
        (lambda: to_keras(LSTM(3, peephole=True, layer_norm=True)), "layer_norm=True"),
        (lambda: to_keras(LSTM(3, residual=True)), "has residual=True"),
        (lambda: to_keras(LSTM(3, num_layers=2, return_state=True)), "return_state=True"),
        (lambda: to_keras(RNN(STOCK.LSTMCell(3))), "to_keras takes"),
        (lambda: to_keras(GRUCell(3)), "to_keras takes"),
    ],
)
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
