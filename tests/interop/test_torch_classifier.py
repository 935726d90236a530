"""A classifier of torch becomes a folder that takes strings, and answers as torch did."""

from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

import textlstm
from textlstm import InputError
from textlstm.interop import classifier_from_torch, export_torch_classifier

LABELS = ["bad", "so so", "good"]
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "torch_classifier.npz"
with np.load(GOLDEN) as _file:
    ARRAYS = dict(_file)
NAMES = sorted({key.split("/")[0] for key in ARRAYS if "/" in key})
TEXTS = ARRAYS["texts"].tolist()


def state_dict(name):
    start = f"{name}/weights/"
    return {key.removeprefix(start): ARRAYS[key] for key in ARRAYS if key.startswith(start)}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "letters.model"
    path.write_bytes(ARRAYS["model"].tobytes())
    return path


@pytest.mark.parametrize("name", NAMES)
def test_gives_the_probabilities_of_torch(model_file, name):
    model = classifier_from_torch(
        state_dict(name), model_file, LABELS, pooling=name.split("-")[1], max_tokens=20
    )
    for text, ids, length in zip(TEXTS, ARRAYS["ids"], ARRAYS["lengths"], strict=True):
        assert model.tokenizer.encode(text).tolist() == ids[:length].tolist()
    expected = ARRAYS[f"{name}/probabilities"]
    assert expected.std(axis=0).min() > 1e-3  # the texts differ in their answers
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), expected, atol=1e-5)
    assert model.max_tokens == 20


def test_the_folder_answers_and_trains_on(model_file, tmp_path):
    version = export_torch_classifier(
        state_dict("gru-mean"),
        model_file,
        LABELS,
        tmp_path / "mine",
        pooling="mean",
        about={"Data": "Made up."},
    )
    assert version == tmp_path / "mine" / "1"
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = served(text=tf.constant(TEXTS))
    expected = ARRAYS["gru-mean/probabilities"]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    assert [label.decode() for label in answer["label"].numpy()] == [
        LABELS[best] for best in expected.argmax(axis=1)
    ]
    model = textlstm.load(version)
    model.fit(TEXTS, ["good"] * len(TEXTS), epochs=1, validation_split=0, verbose=0)


def test_safetensors_files_are_read(model_file, tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    path = tmp_path / "classifier.safetensors"
    numpy_files.save_file(state_dict("gru-mean"), path)
    model = classifier_from_torch(path, model_file, LABELS, pooling="mean")
    expected = ARRAYS["gru-mean/probabilities"]
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), expected, atol=1e-5)


def test_names_decide_where_shapes_do_not(model_file):
    # Three labels, three features: the head of a GRU of 3 units could be an embedding, too.
    weights = state_dict("gru-mean")
    rng = np.random.default_rng(0)
    shapes = {"ih": (9, 3), "hh": (9, 3)}
    weights |= {f"rnn.weight_{k}_l0": rng.normal(size=s) for k, s in shapes.items()}
    weights |= {f"rnn.bias_{k}_l0": np.zeros(9) for k in shapes}
    weights |= {"out.weight": rng.normal(size=(3, 3)), "embed.weight": rng.normal(size=(3, 3))}
    with pytest.raises(InputError, match="one head.*more than one"):
        classifier_from_torch(weights, model_file, LABELS, pooling="mean")
    weights["embed.weight"] = rng.normal(size=(13, 3))
    model = classifier_from_torch(
        weights, model_file, LABELS, pooling="mean", embedding="embed", recurrent="rnn", head="out"
    )
    np.testing.assert_allclose(model.head.get_weights()[0], weights["out.weight"].T, atol=1e-6)


def without_pad_piece(model):
    """Returns a model file's bytes with a letter in the place of the padding piece."""
    proto = sentencepiece.sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.pieces[0].piece, proto.pieces[0].type = "x", 1
    proto.trainer_spec.pad_id = -1
    return proto.SerializeToString()


def test_a_row_for_the_padding_is_added_and_changes_no_answer(tmp_path):
    path = tmp_path / "letters.model"
    path.write_bytes(without_pad_piece(ARRAYS["model"].tobytes()))
    model = classifier_from_torch(state_dict("gru-mean"), path, LABELS, pooling="mean")
    assert model.tokenizer.pad_id == 13
    rows = model.embedding.get_weights()[0]
    assert rows.shape == (14, 3) and not rows[13].any()
    expected = ARRAYS["gru-mean/probabilities"]
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), expected, atol=1e-5)


def test_rows_for_marks_that_are_not_read_are_added(tmp_path):
    proto = sentencepiece.sentencepiece_model_pb2.ModelProto.FromString(ARRAYS["model"].tobytes())
    del proto.pieces[3], proto.pieces[2], proto.pieces[0]  # end, begin, padding
    for name, number in (("pad_id", -1), ("unk_id", 0), ("bos_id", -1), ("eos_id", -1)):
        setattr(proto.trainer_spec, name, number)
    path = tmp_path / "letters.model"
    path.write_bytes(proto.SerializeToString())
    rows = np.arange(30, dtype="float32").reshape(10, 3)
    weights = changed(embed__weight=rows)
    model = classifier_from_torch(weights, path, LABELS, pooling="mean", end_mark=False)
    assert {model.tokenizer.end_id, model.tokenizer.pad_id} == {10, 11}
    np.testing.assert_array_equal(model.embedding.get_weights()[0], [*rows, [0] * 3, [0] * 3])
    with pytest.raises(InputError, match="no trained row for the end mark"):
        classifier_from_torch(weights, path, LABELS, pooling="mean")


def changed(name="gru-mean", drop=(), **tensors):
    weights = {key: value for key, value in state_dict(name).items() if key not in drop}
    return weights | {key.replace("__", "."): value for key, value in tensors.items()}


NO_END = changed()
NO_END["embed.weight"] = NO_END["embed.weight"].copy()
NO_END["embed.weight"][3] = 0


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        (changed(norm__weight=np.zeros(4)), {}, "the weights hold norm.weight besides"),
        (changed(), {"pooling": "concat"}, r"a Linear of shape \(3, 12\).*out.weight \(3, 4\)"),
        (changed(), {"pooling": "attention"}, "choose another"),
        (changed(drop=["embed.weight"]), {}, "one embedding"),
        (changed(drop=["rnn.weight_ih_l0"]), {}, "one recurrent module.*there is none"),
        (changed(second__weight_ih_l0=np.zeros((12, 3))), {}, r"more than one \(rnn, second\)"),
        (changed(), {"recurrent": "lstm"}, "one recurrent module.*none of the name 'lstm'"),
        (changed(), {"head": "head"}, "of the name 'head'"),
        (changed(out__bias=np.zeros(2)), {}, "out.bias has the shape"),
        (changed(embed__weight=np.ones((12, 3))), {}, "12 rows and the tokenizer 13 ids"),
        (changed(embed__weight=np.ones((13, 5))), {}, "one embedding"),
        (NO_END, {}, "no trained row for the end mark.*end_mark=False"),
        (changed(embed__weight=np.ones((14, 3))), {"end_mark": False}, "14 rows and the tokenizer"),
    ],
)
def test_errors_say_what_is_wrong(model_file, weights, options, message):
    options = {"pooling": "mean", **options}
    with pytest.raises(InputError, match=message) as error:
        classifier_from_torch(weights, model_file, LABELS, **options)
    assert "\n" not in str(error.value)


@pytest.mark.torch
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_gives_what_torch_gives(tokenizer, reviews, kind, pooling):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: bench)")
    from golden.make_torch_classifier import Classifier, padded

    torch.manual_seed(1)
    module = Classifier(
        getattr(torch.nn, kind),
        tokenizer.vocabulary_size,
        labels=2,
        pooling=pooling,
        dim=16,
        units=12,
        num_layers=2,
        bidirectional=True,
        **({"nonlinearity": "relu"} if kind == "RNN" else {}),
    )
    texts = reviews[0][:20]
    with torch.no_grad():
        ids = padded(tokenizer.encode(texts), tokenizer.pad_id)
        expected = torch.softmax(module(*ids), dim=-1).numpy()
    model = classifier_from_torch(module, tokenizer, ["no", "yes"], pooling=pooling)
    np.testing.assert_allclose(model.predict(texts, verbose=0), expected, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
def test_gives_what_torch_gives_without_the_end_mark(tokenizer, reviews, tmp_path, pooling):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: bench)")
    from golden.make_torch_classifier import Classifier, padded

    torch.manual_seed(1)
    module = Classifier(
        torch.nn.LSTM, tokenizer.vocabulary_size, 2, pooling, dim=16, units=12, bidirectional=True
    )
    texts, longest = [*reviews[0][:20], "short"], 9  # pieces that the classifier of torch reads
    rows = [ids[:longest] for ids in tokenizer.encode(texts, add_end=False)]
    assert min(map(len, rows)) < longest == max(map(len, rows))
    with torch.no_grad():
        expected = torch.softmax(module(*padded(rows, tokenizer.pad_id)), dim=-1).numpy()
    version = export_torch_classifier(
        module,
        tokenizer,
        ["no", "yes"],
        tmp_path / "mine",
        pooling=pooling,
        max_tokens=longest,
        end_mark=False,
    )
    served = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = served(text=tf.constant(texts))["probabilities"]
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    loaded = textlstm.load(version)
    np.testing.assert_allclose(loaded.predict(texts, verbose=0), expected, atol=1e-5)
