"""What is recorded is what the cells do: every step is done again in NumPy."""

import keras
import numpy as np
import pytest

from textlstm import GRUCell, InputError, LSTMCell, SimpleRNNCell
from textlstm.insight import record

TEXT = "good paper is not so dear the paper bad"
CELLS = {
    "rnn": lambda: SimpleRNNCell(5),
    "rnn, layer norm": lambda: SimpleRNNCell(5, layer_norm=True),
    "lstm": lambda: LSTMCell(5),
    "lstm, peephole": lambda: LSTMCell(5, peephole=True),
    "lstm, coupled": lambda: LSTMCell(5, coupled_gates=True),
    "lstm, projected": lambda: LSTMCell(5, proj_size=3),
    "lstm, layer norm": lambda: LSTMCell(5, layer_norm=True),
    "lstm, zoneout": lambda: LSTMCell(5, zoneout=(0.1, 0.3)),
    "lstm, no bias": lambda: LSTMCell(5, use_bias=False),
    "lstm, all": lambda: LSTMCell(
        5, peephole=True, coupled_gates=True, proj_size=3, layer_norm=True, zoneout=0.2
    ),
    "gru": lambda: GRUCell(5),
    "gru, reset before": lambda: GRUCell(5, reset_after=False),
    "gru, layer norm": lambda: GRUCell(5, layer_norm=True),
    "gru, reset before, layer norm": lambda: GRUCell(5, reset_after=False, layer_norm=True),
    "gru, zoneout": lambda: GRUCell(5, zoneout=0.2),
}


def scramble(model):
    """Gives every weight, biases and gains too, a value of its own."""
    random = np.random.default_rng(7)
    model.set_weights([random.normal(0, 0.6, w.shape).astype("float32") for w in model.weights])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normalized(x, gain, bias=0.0):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain + bias


def numpy_step(cell, x, before):
    """One step of a built-in cell, in float64: gates and states by their names."""
    weights = {
        name: np.asarray(value, "float64")
        for name in (
            "kernel recurrent_kernel bias kernel_gain recurrent_gain peephole_kernel "
            "projection_kernel memory_gain memory_bias"
        ).split()
        if (value := getattr(cell, name, None)) is not None
    }
    h = np.asarray(before["h"], "float64")
    gates = len(cell.gates)
    bias = weights.get("bias", np.zeros(gates * 5))

    def product(side, kernel, gain, columns=slice(None)):
        result = side @ weights[kernel][:, columns]
        return normalized(result, weights[gain][columns]) if cell.layer_norm else result

    if isinstance(cell, GRUCell):
        both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
        zr, last = slice(0, 10), slice(10, 15)
        from_x = [product(x, "kernel", "kernel_gain", part) + both[0, part] for part in (zr, last)]
        from_h = product(h, "recurrent_kernel", "recurrent_gain", zr) + both[1, zr]
        z, r = np.split(sigmoid(from_x[0] + from_h), 2, axis=-1)
        if cell.reset_after:
            inner = r * (product(h, "recurrent_kernel", "recurrent_gain", last) + both[1, last])
        else:
            inner = product(r * h, "recurrent_kernel", "recurrent_gain", last)
        g = np.tanh(from_x[1] + inner)
        found = {"update": z, "reset": r, "candidate": g}
        states = {"h": z * h + (1 - z) * g}
    else:
        sums = product(x, "kernel", "kernel_gain") + bias
        sums = sums + product(h, "recurrent_kernel", "recurrent_gain")
        sums = dict(zip(cell.symbols, np.split(sums, gates, axis=-1)))
        if isinstance(cell, SimpleRNNCell):
            found = {"candidate": np.tanh(sums["h"])}
            states = {"h": found["candidate"]}
        else:
            found, states = numpy_lstm_step(cell, weights, sums, before)
    for (name, new), kept in zip(list(states.items()), cell.zoneout_rates):
        states[name] = kept * before[name] + (1 - kept) * new
    return found, states


def numpy_lstm_step(cell, weights, sums, before):
    c = np.asarray(before["c"], "float64")

    def peep(symbol, memory):
        if not cell.peephole:
            return sums[symbol]
        row = weights["peephole_kernel"][cell.peephole_symbols.index(symbol)]
        return sums[symbol] + row * memory

    f = sigmoid(peep("f", c))
    i = 1 - f if cell.coupled_gates else sigmoid(peep("i", c))
    g = np.tanh(sums["c"])
    new = f * c + i * g
    o = sigmoid(peep("o", new))
    shown = new
    if cell.layer_norm:
        shown = normalized(new, weights["memory_gain"], weights["memory_bias"])
    h = o * np.tanh(shown)
    if cell.proj_size:
        h = h @ weights["projection_kernel"]
    return {"input": i, "forget": f, "candidate": g, "output": o}, {"h": h, "c": new}


@pytest.mark.parametrize("kind", CELLS)
def test_every_step_follows_from_the_state_before_it(make_classifier, kind):
    model = make_classifier(cell=CELLS[kind](), num_layers=2, bidirectional=True)
    scramble(model)
    trace = record(model, TEXT).traces["recurrent"]
    assert trace.tokens == (*(f" {word}" for word in TEXT.split()), "</s>")
    for index, cell in enumerate(model.recurrent.cells):
        layer, direction = divmod(index, 2)
        place = (layer, direction)
        before = {name: array[place] for name, array in trace.before.items()}
        gates, states = numpy_step(cell, trace.inputs[layer], before)
        for recorded, computed in ((trace.gates, gates), (trace.states, states)):
            recorded = {name: array[place] for name, array in recorded.items()}
            # `coupled_gates` has an input gate without weights, too.
            assert set(recorded) == set(computed)
            for name, array in recorded.items():
                np.testing.assert_allclose(array, computed[name], atol=1e-6, err_msg=name)
        # Each step begins where the one before it, in its direction, ended.
        for name, array in before.items():
            after = trace.states[name][place]
            order = slice(None, None, -1) if direction else slice(None)
            np.testing.assert_array_equal(array[order][0], 0)
            np.testing.assert_array_equal(array[order][1:], after[order][:-1])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_fast_pass_gives_what_is_recorded(make_classifier, cell):
    model = make_classifier(cell=cell, num_layers=2)
    scramble(model)
    recording = record(model, TEXT)
    outputs, _ = model.read(np.asarray([model.encode([TEXT]).ids(0)]))
    h = recording.traces["recurrent"].states["h"][-1]  # [directions, tokens, units]
    np.testing.assert_allclose(np.asarray(outputs)[0], np.concatenate(h, axis=-1), atol=1e-6)
    answers = dict(zip(model.labels, model.predict([TEXT], verbose=0)[0]))
    assert recording.answers == pytest.approx(answers, abs=1e-6)
    assert model.recurrent.observer is None


def test_a_language_model_begins_behind_an_end_mark(make_language_model):
    model = make_language_model()
    scramble(model)
    recording = record(model, "good paper")
    trace = recording.traces["recurrent"]
    assert trace.tokens == ("</s>", " good", " paper")
    assert trace.shape == (2, 1, 3, 5)
    (likeliest, _), *_ = recording.answers.items()
    (said,) = model.generate(["good paper"], max_tokens=1, temperature=0)
    assert said.strip() == likeliest.strip().replace("</s>", "")


@pytest.mark.parametrize("options", [{}, {"attend": "first"}, {"input_feeding": True}])
def test_a_translator_has_two_parts_and_its_attention(make_translator, options):
    model = make_translator(**options)
    scramble(model)
    recording = record(model, "good paper", target="bad is so")
    encoder, decoder = recording.traces.values()
    assert (encoder.name, encoder.shape) == ("encoder", (2, 2, 3, 3))
    assert (decoder.name, decoder.shape) == ("decoder", (2, 1, 4, 6))
    assert recording.targets == (" bad", " is", " so", "</s>")
    (alignment,) = model.align(["good paper"], ["bad is so"])
    np.testing.assert_allclose(recording.attention, alignment.weights, atol=1e-6)
    cells = [
        *model.decoder.lower.cells,
        *(model.decoder.upper.cells if model.decoder.upper else []),
    ]
    for layer, cell in enumerate(cells):
        before = {name: array[layer, 0] for name, array in decoder.before.items()}
        _, states = numpy_step_of(cell, decoder.inputs[layer], before)
        for name, array in states.items():
            np.testing.assert_allclose(decoder.states[name][layer, 0], array, atol=1e-6)


def numpy_step_of(cell, x, before):
    """An LSTM step of any size: `numpy_step` is of five units."""
    units = cell.units
    weights = {n: np.asarray(getattr(cell, n)) for n in ("kernel", "recurrent_kernel", "bias")}
    sums = x @ weights["kernel"] + before["h"] @ weights["recurrent_kernel"] + weights["bias"]
    sums = dict(zip("ifco", (sums[:, k * units : (k + 1) * units] for k in range(4))))
    return numpy_lstm_step(cell, weights, sums, before)


def test_a_convolution_makes_one_step_of_several_tokens(make_classifier):
    model = make_classifier(convolution=3, convolution_pool=2)
    trace = record(model, "good paper is not").traces["recurrent"]
    assert trace.tokens == (" good paper", " is not", "</s>")
    assert trace.shape[2] == 3


def test_an_end_mark_that_is_not_read_is_not_recorded(make_classifier):
    model = make_classifier(read_end_mark=False)
    trace = record(model, "good paper").traces["recurrent"]
    assert trace.tokens == (" good", " paper")
    assert trace.shape[2] == 2
    with pytest.raises(InputError, match="the text is empty"):
        record(model, "")


def test_attention_pooling_has_one_row_of_weights(make_classifier):
    recording = record(make_classifier(pooling="attention"), "good paper")
    assert recording.attention.shape == (1, 3)
    np.testing.assert_allclose(recording.attention.sum(), 1, atol=1e-6)


def test_a_cell_of_keras_has_states_and_no_gates(make_classifier):
    model = make_classifier(cell=keras.layers.LSTMCell(5))
    trace = record(model, "good paper").traces["recurrent"]
    assert not trace.gates and trace.keep is None
    assert {name: array.shape for name, array in trace.states.items()} == {
        "state_0": (1, 2, 3, 5),
        "state_1": (1, 2, 3, 5),
    }


def test_a_text_that_would_take_too_much_memory_is_told_beforehand(make_language_model):
    model = make_language_model()
    with pytest.raises(
        InputError, match="recording 5,001 tokens takes about 2 MB, more than the 1"
    ):
        record(model, "good " * 5000, max_bytes=1_000_000)


@pytest.mark.parametrize("text", [None, 3, ["good"]])
def test_what_is_no_text_is_told(make_classifier, text):
    with pytest.raises(InputError, match="a text is a string"):
        record(make_classifier(), text)


def test_what_is_no_task_is_told():
    with pytest.raises(InputError, match="insight looks into .*got Sequential"):
        record(keras.Sequential(), "good")
