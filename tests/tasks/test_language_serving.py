"""A language model's export: real files, TensorFlow alone, every signature."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from examples.c_program import build_program, call_program

import textlstm
from textlstm import LanguageModel, SentencePieceTokenizer

TEXTS = ["the cat sat on the mat", "好，世界！", "a dog\n and a log", ""] * 5
PROMPTS = ["the cat", "", "a dog\n", "世"]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    tokenizer = SentencePieceTokenizer.train(TEXTS, 300, "bpe", exact=True, byte_fallback=True)
    return LanguageModel(tokenizer, units=16, embedding_dim=8, max_tokens=40)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "lines"
    return tf.saved_model.load(str(textlstm.export(model, folder))), folder


def test_a_model_in_mixed_precision_is_served(model):
    mixed = LanguageModel.from_config({**model.get_config(), "dtype": "mixed_bfloat16"})
    functions = mixed.make_serving().functions
    states = dict(functions["start"](tf.constant(["the", ""])))
    logits = states.pop("logits")
    assert logits.dtype == tf.float32
    states = [states[f"state_{index}"] for index in range(len(states))]
    after = functions["step"](tf.constant([5, 6]), *states)
    assert after["logits"].shape == logits.shape


def generate(served, prompts, *, max_tokens=25, temperature=1.0, top_k=0, top_p=1.0, seed=0):
    return served[0].signatures["generate"](
        prompt=tf.constant(prompts, tf.string),
        max_tokens=tf.constant(max_tokens),
        temperature=tf.constant(temperature, tf.float32),
        top_k=tf.constant(top_k),
        top_p=tf.constant(top_p, tf.float32),
        seed=tf.constant(seed),
    )


def as_text(values):
    return [value.decode() for value in values.numpy()]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7, "seed": 3},
        {"temperature": 0.0},
        {"top_k": 5, "top_p": 0.9, "seed": -4},
        {"top_k": 1, "seed": 9},
    ],
)
def test_the_export_writes_what_the_model_writes(model, served, options):
    texts = as_text(generate(served, PROMPTS, **options)["text"])
    for name, none in (("top_k", 0), ("top_p", 1.0)):
        options = {n: v for n, v in options.items() if (n, v) != (name, none)}
    # Bytes that make no character are U+FFFD in both.
    assert texts == model.generate(PROMPTS, max_tokens=25, **options)


def test_options_of_rows_and_rows_alone(served):
    seeds, temperatures = [5, 6, 7, 8], [0.0, 0.5, 1.0, 2.0]
    together = generate(served, PROMPTS, temperature=temperatures, seed=seeds)
    for row, prompt in enumerate(PROMPTS):
        alone = generate(served, [prompt], temperature=temperatures[row], seed=seeds[row])
        assert alone["text"][0] == together["text"][row]
        np.testing.assert_allclose(alone["log_prob"][0], together["log_prob"][row], rtol=1e-4)
    assert as_text(generate(served, PROMPTS, seed=5)["text"]) == as_text(
        generate(served, PROMPTS, seed=seeds)["text"]
    )
    assert generate(served, [])["text"].shape == (0,)


def test_scores_and_steps(model, served):
    score = served[0].signatures["score"]
    found = score(text=tf.constant(TEXTS[:4]))
    np.testing.assert_allclose(found["log_prob"], model.score(TEXTS[:4]), rtol=1e-5)
    encoded = served[0].signatures["encode"](text=tf.constant(TEXTS[:4]))
    np.testing.assert_array_equal(found["tokens"], encoded["lengths"])
    start, step = (served[0].signatures[name] for name in ("start", "step"))
    for row in range(4):
        answer = start(prompt=tf.constant([""]))
        total = 0.0
        for token in encoded["ids"][row, : encoded["lengths"][row]]:
            total += tf.nn.log_softmax(answer.pop("logits"))[0, token]
            answer = step(token=token[None], **answer)
        np.testing.assert_allclose(total, found["log_prob"][row], rtol=1e-5)


def test_start_reads_a_prompt(served):
    start, step = (served[0].signatures[name] for name in ("start", "step"))
    whole = start(prompt=tf.constant(["the cat sat"]))
    ids = served[0].signatures["encode"](text=tf.constant(["the cat sat"]))["ids"][0, :-1]
    answer = start(prompt=tf.constant([""]))
    for token in ids:
        answer.pop("logits")
        answer = step(token=token[None], **answer)
    for name, value in whole.items():
        np.testing.assert_allclose(value, answer[name], rtol=1e-4, atol=1e-5)


def test_of_a_long_prompt_the_end_counts(served):
    end = "the log " * 30
    one = generate(served, ["cat " * 60 + end], seed=1)["text"]
    other = generate(served, ["好世 " * 50 + end], seed=1)["text"]
    assert one[0] == other[0]


def test_serving_default_and_reloading(model, served):
    default = served[0].signatures["serving_default"](prompt=tf.constant(PROMPTS))
    expected = model.generate(PROMPTS, max_tokens=200, temperature=0.8, top_p=0.95, seed=0)
    assert as_text(default["text"]) == expected
    again = textlstm.load(served[1])
    assert again.generate(PROMPTS, max_tokens=25, seed=2) == model.generate(
        PROMPTS, max_tokens=25, seed=2
    )
    again.fit(TEXTS[:3], epochs=1, batch_size=2, verbose=0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"temperature": -1.0}, "temperature must be 0 or more"),
        ({"temperature": float("nan")}, "temperature must be 0 or more"),
        ({"top_p": [1.0, 0.0, 1.0, 1.0]}, "top_p must be in"),
        ({"top_k": -1}, "top_k must be 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
    ],
)
def test_options_that_make_no_sense(served, options, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        generate(served, PROMPTS, **options)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build_program(tmp_path_factory.mktemp("c"), "generate")


def test_a_c_program_writes_the_same(program, served):
    version = served[1] / "1"
    flags = ["--seed=-3", "--temperature=0.8", "--top-p=0.95", "--max-tokens=25", "--top-k=40"]
    expected = generate(
        served, PROMPTS[:2], seed=-3, temperature=0.8, top_p=0.95, top_k=40, max_tokens=25
    )
    done = call_program(program, version, *flags, "--", *PROMPTS[:2])
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.decode().split("\n")[:-1]]
    texts = [text.replace("\\", "\\\\").replace("\n", "\\n") for text in as_text(expected["text"])]
    assert [text for _, text in rows] == texts
    np.testing.assert_allclose([float(p) for p, _ in rows], expected["log_prob"], rtol=1e-5)
    piped = call_program(program, version, *flags, stdin="\n".join(PROMPTS[:2]).encode() + b"\n")
    assert piped.stdout == done.stdout


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--heat=1", b"--heat=1: is no option of this program: the options are [--max-tokens=200]"),
        ("--seed=1.5", b"--seed=1.5: is no whole number: give a number such as --seed=0"),
        ("--top-p=", b"--top-p=: is no number"),
        ("--top-p=2", b"top_p must be in (0, 1]; got"),
    ],
)
def test_a_wrong_option_of_the_c_program_is_one_line(program, served, flag, message):
    done = call_program(program, served[1] / "1", flag, "a")
    assert done.returncode == 1 and message in done.stderr
    assert done.stderr.startswith(b"generate: ") and done.stderr.count(b"\n") == 1
