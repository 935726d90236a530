"""The C example answers as the same SavedModel does in Python, and explains every failure.

The model is a stand-in made of plain TensorFlow with the signature of an exported classifier. Its
scores are a hash of the text's bytes, so a single byte lost on the way would show.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from c_program import SOURCES, build_program, call_program, read_table, run_classify
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

# Short and long names (TensorFlow stores strings of more than 22 bytes elsewhere than short ones),
# a name beyond ASCII, and an empty one.
CLASSES = ["neg", "正面", "a class name that is much longer than 22 bytes", ""]

EXTRA = {  # what may stand beside the signatures, written to mislead a search for strings
    "task": "TextClassifier",
    "note": 'braces }{][ and "quotes", \\ and "tensor": "wrong:0"',
    "scores": {"loss": float("nan"), "best": float("-inf"), "counts": [], "nested": [[{}], -1e-3]},
    "serving_default": {"inputs": {"text": {"tensor": "wrong:0"}}},
    "inputs": None,
}


class StandIn(tf.Module):
    """Probabilities from a hash of each text; the label is the most probable class."""

    def __init__(self):
        super().__init__()
        self.names = tf.Variable(CLASSES)  # a variable, so that loading has something to restore

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, text):
        # Both a seed for each class and the whole text reach the hash.
        parts = [tf.strings.to_hash_bucket_fast(str(k) + text, 10**6) for k in range(len(CLASSES))]
        weights = tf.cast(tf.stack(parts, axis=1), tf.float32) + 1.0  # texts x classes
        probabilities = weights / tf.reduce_sum(weights, axis=1, keepdims=True)
        best = tf.argmax(probabilities, axis=1)
        return {
            "label": tf.gather(self.names, best),
            "score": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
            "classes": tf.tile(self.names[None, :], [tf.shape(text)[0], 1]),
        }


class WordCount(tf.Module):
    """A graph that can fail: it takes digits only."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, text):
        score = tf.strings.to_number(text)
        names = tf.strings.as_string(score)
        return {
            "label": names,
            "score": score,
            "probabilities": score[:, None],
            "classes": names[:, None],
        }


class Constant(tf.Module):
    """A graph whose outputs have one row, however many texts come."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def __call__(self, text):
        return {
            "label": tf.constant(["only"]),
            "score": tf.constant([1.0]),
            "probabilities": tf.constant([[1.0]]),
            "classes": tf.constant([["only"]]),
        }


def export(module: tf.Module, folder: Path) -> Path:
    """Save `module` with its textlstm.json, as an exported model folder has it."""
    tf.saved_model.save(module, str(folder), signatures=module.__call__)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]

    def described(tensors):
        return {
            name: {
                "dtype": tf.as_dtype(info.dtype).name,
                "tensor": info.name,
                "shape": [dim.size for dim in info.tensor_shape.dim],
            }
            for name, info in tensors.items()
        }

    encode = {"inputs": {"text": {"tensor": "wrong:0"}}, "outputs": {}}
    serving = {"inputs": described(signature.inputs), "outputs": described(signature.outputs)}
    rewrite(folder, {**EXTRA, "signatures": {"encode": encode, "serving_default": serving}})
    return folder


def rewrite(folder: Path, document: dict | str) -> None:
    """Write textlstm.json as the exporter does, or, given a string, exactly that."""
    if not isinstance(document, str):
        document = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / "textlstm.json").write_text(document, encoding="utf-8")


def document_of(folder: Path) -> dict:
    return json.loads((folder / "assets.extra" / "textlstm.json").read_text(encoding="utf-8"))


def linked(folder: Path, target: Path, document: dict | str) -> Path:
    """A folder with the same SavedModel and another textlstm.json."""
    target.mkdir()
    for name in ("saved_model.pb", "variables"):
        os.symlink(folder / name, target / name)
    rewrite(target, document)
    return target


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    return build_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return export(StandIn(), tmp_path_factory.mktemp("models") / "stand-in" / "1")


@pytest.fixture(scope="module")
def in_python(folder):
    """The same SavedModel's answer in Python, in the form that run_classify gives."""
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]

    def answer(lines: list[bytes]):
        out = {name: value.numpy() for name, value in served(text=tf.constant(lines)).items()}
        labels = [label.decode() for label in out["label"]]
        rows = list(zip(labels, out["score"], out["probabilities"], strict=True))
        return [name.decode() for name in out["classes"][0]], rows

    return answer


def assert_same(got, expected):
    """Equal to the bit: the same graph ran on the same processor, and %.9g keeps a float32."""
    assert got[0] == expected[0]
    for mine, theirs in zip(got[1], expected[1], strict=True):
        assert mine[0] == theirs[0]
        assert np.float32(mine[1]) == theirs[1]
        np.testing.assert_array_equal(np.float32(mine[2]), theirs[2])


def failure(done: subprocess.CompletedProcess) -> str:
    """The one line that a failed run wrote."""
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert done.stdout == b""
    message = done.stderr.decode("utf-8")
    assert message.startswith("classify: ") and message.count("\n") == 1 and message[-1] == "\n"
    return message


# ---- Answers ------------------------------------------------------------------------------------


def test_every_kind_of_line_gets_the_answer_that_python_gets(program, folder, in_python):
    lines = [b"an ordinary line", b"another one", "这部电影很好看".encode(), b"tab\there"]
    lines += [b"", b" ", b"\r", b"carriage return at the end\r"]
    lines += [b"\xff\xfe", b"cut \xe6\xad", b"\xed\xa0\x80 surrogate", b"\x80" * 100]
    lines += [b"\x00", b"nul \x00 inside", b"nul \x00 then more than 22 bytes \x00", b"nul \x01"]
    lines += [b"x" * n for n in (21, 22, 23, 24, 119, 120, 121)]  # around the sizes of buffers
    lines += [b"very long " * 300_000, bytes(b for b in range(256) if b != 10) * 5000]
    got = run_classify(program, folder, lines)
    assert got[0] == CLASSES
    assert len({tuple(row[2]) for row in got[1]}) == len(lines)  # no two lines were confused
    assert_same(got, in_python(lines))


def test_many_lines_make_one_batch(program, folder, in_python):
    lines = [b"line %d" % i for i in range(5000)]
    assert_same(run_classify(program, folder, lines), in_python(lines))


def test_the_last_line_needs_no_line_feed(program, folder, in_python):
    done = call_program(program, folder, stdin=b"one\ntwo")
    assert_same(read_table(done.stdout), in_python([b"one", b"two"]))


def test_texts_may_be_arguments(program, folder, in_python):
    texts = [
        b"as an argument",
        b"",
        b"\xff invalid",
        "两行\none text".encode(),
        b"-looks-like-a-flag",
    ]
    done = call_program(program, folder, *texts, stdin=b"not read\n")
    assert done.returncode == 0 and done.stderr == b""
    assert_same(read_table(done.stdout), in_python(texts))


def test_without_texts_there_is_still_the_header(program, folder):
    done = call_program(program, folder, stdin=b"")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "\t".join(["label", "score", *CLASSES]) + "\n"


def test_a_trailing_slash_in_the_folder_is_fine(program, folder):
    assert call_program(program, f"{folder}/", "text").returncode == 0


def test_outputs_may_be_constants_of_the_graph(program, tmp_path):
    folder = export(Constant(), tmp_path / "1")
    assert run_classify(program, folder, [b"one"]) == (["only"], [("only", 1.0, [1.0])])


@pytest.mark.parametrize("style", ["compact", "reversed", "ascii", "escaped"])
def test_any_spelling_of_the_json_is_read(program, folder, tmp_path, style):
    document = document_of(folder)
    if style == "compact":
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    elif style == "reversed":  # keys from last to first, at every depth
        text = json.dumps(document)
        text = json.dumps(
            json.loads(text, object_pairs_hook=lambda pairs: dict(reversed(pairs))), indent="\t"
        )
    elif style == "ascii":  # \u escapes, of two halves and of half a character too
        text = json.dumps({"emoji 😀 \ud800": "\x00 é 中 😀 \udc00 \u2028", **document})
    else:  # the very keys and values that are looked for, as escapes
        text = re.sub(
            r'"(signatures|serving_default|text|tensor|serving_default_text:0)"',
            lambda found: '"' + "".join(f"\\u{ord(c):04X}" for c in found[1]) + '"',
            json.dumps(document),
        )
        assert "\\u0074\\u0065\\u0078\\u0074" in text
    other = linked(folder, tmp_path / "1", text)
    assert run_classify(program, other, [b"text"]) == run_classify(program, folder, [b"text"])


# ---- Failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-x", "text"]])
def test_a_wrong_call_shows_the_usage(program, arguments):
    done = call_program(program, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(rb"usage: classify MODEL_VERSION_FOLDER [^\n]*\n", done.stderr)


def test_no_such_folder(program, tmp_path):
    message = failure(call_program(program, tmp_path / "none" / "1", "text"))
    assert f"{tmp_path}/none/1: no such folder: give the version folder" in message


def test_a_file_instead_of_a_folder(program, folder):
    message = failure(call_program(program, folder / "saved_model.pb", "text"))
    assert "no such folder" in message


def test_the_folder_above_the_version(program, folder):
    message = failure(call_program(program, folder.parent, "text"))
    assert "assets.extra/textlstm.json: cannot be read (No such file or directory)" in message
    assert "such as models/NAME/1" in message


def test_no_saved_model(program, tmp_path):
    rewrite(tmp_path, EXTRA)
    message = failure(call_program(program, tmp_path, "text"))
    assert f"{tmp_path}: TensorFlow {tf.__version__} cannot load this SavedModel" in message


def test_a_damaged_saved_model(program, folder, tmp_path):
    rewrite(tmp_path, document_of(folder))
    (tmp_path / "saved_model.pb").write_bytes(b"not a protocol buffer")
    message = failure(call_program(program, tmp_path, "text"))
    assert "cannot load this SavedModel: export it again" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1',
        '{"a" 1}',
        '{"a": 1}}',
        '{"a": [1, 2}',
        '{"a": "no end}',
        '{"a": "bad \\x escape"}',
        '{"a": "short \\u12"}',
        '{"a": "raw\nline feed"}',
        '{"a": }',
        "[" * 100_000,
        '{"a": 1}\x00',
    ],
)
def test_broken_json(program, tmp_path, text):
    rewrite(tmp_path, text)
    message = failure(call_program(program, tmp_path, "text"))
    assert re.search(r"textlstm\.json: not valid JSON at line [12]: export", message)


def test_the_line_of_broken_json_is_named(program, tmp_path):
    rewrite(tmp_path, '{\n  "a": 1,\n  "b": nothing here\n}\n')
    assert "not valid JSON at line 3:" in failure(call_program(program, tmp_path, "text"))


def test_another_task(program, folder, tmp_path):
    document = document_of(folder)
    document["task"] = "Translator"
    del document["signatures"]["serving_default"]["outputs"]["label"]
    other = linked(folder, tmp_path / "1", document)
    message = failure(call_program(program, other, "text"))
    assert 'serving_default has no "label" among its outputs' in message
    assert "takes a TextClassifier, and this is a Translator" in message


@pytest.mark.parametrize("document", ["[]", "{}", '"text"', '{"signatures": {"text": 1}}'])
def test_json_without_the_signature(program, folder, tmp_path, document):
    other = linked(folder, tmp_path / "1", document)
    message = failure(call_program(program, other, "text"))
    assert 'serving_default has no "text" among its inputs' in message
    assert "folder that names no task" in message


@pytest.mark.parametrize(
    "tensor",
    ["absent:0", "serving_default_text", "", ":0"]
    + [f"serving_default_text:{i}" for i in ("", "-1", "1", "0x0", " 0", "9999999999999999999")],
)
def test_a_tensor_that_the_graph_does_not_have(program, folder, tmp_path, tensor):
    document = document_of(folder)
    document["signatures"]["serving_default"]["inputs"]["text"]["tensor"] = tensor
    other = linked(folder, tmp_path / "1", document)
    message = failure(call_program(program, other, "text"))
    assert f'names the tensor "{tensor}" for "text", which saved_model.pb does' in message


def test_a_tensor_of_another_type(program, folder, tmp_path):
    document = document_of(folder)
    outputs = document["signatures"]["serving_default"]["outputs"]
    outputs["score"] = outputs["label"]
    message = failure(call_program(program, linked(folder, tmp_path / "1", document), "text"))
    assert re.search(r'"score" is the tensor "[^"]+", whose type is 7 where .* takes 1 ', message)


def test_an_output_without_a_row_for_each_text(program, tmp_path):
    folder = export(Constant(), tmp_path / "1")
    message = failure(call_program(program, folder, "one", "two"))
    assert 'the output "label" has another shape than one row for each text (here 2)' in message


def test_a_graph_that_fails(program, tmp_path):
    folder = export(WordCount(), tmp_path / "1")
    assert run_classify(program, folder, [b"12"])[1][0][1] == 12.0
    message = failure(call_program(program, folder, "twelve"))
    assert "cannot run the signature serving_default on this batch (of 1)" in message
    assert "twelve" in message  # TensorFlow's own words follow


def test_standard_output_that_takes_nothing(program, folder):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program, folder, "x"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"standard output: cannot be written (No space left on device)" in done.stderr


# ---- What the README says -----------------------------------------------------------------------


def test_no_python_is_linked(program):
    needed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    assert "libtensorflow_cc.so.2" in needed and "libpython" not in needed


def test_the_commands_of_the_readme_compile_the_program(program, folder, tmp_path):
    readme = (SOURCES / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"(?s)```sh\n(.*?)```", readme)[0]
    for source in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        (tmp_path / source.name).symlink_to(source)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True
    )
    mine, readmes = (run_classify(p, folder, [b"text"]) for p in (program, tmp_path / "classify"))
    assert mine == readmes
