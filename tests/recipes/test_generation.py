"""The recipe as a user runs it: a process, its output, its folder, its answer to mistakes."""

import json
import platform

import pytest
import tensorflow as tf
from recipe_runner import Recipe

import textlstm

RECIPE = Recipe("generation")
SMALL = ["--units", "8", "--embedding-dim", "8", "--window", "16", "--batch-size", "4"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """One text of 3,000 characters."""
    path = tmp_path_factory.mktemp("data") / "sample.txt"  # not the embedded sample
    path.write_text("".join(f"Verse {n} of the book.\n" for n in range(130)), "utf-8")
    return path


def test_the_sample_is_trained_on_exported_and_goes_on(tmp_path):
    export = tmp_path / "models" / "sample"
    flags = ["--limit", 8, "--epochs", 1, "--vocabulary-size", 300, "--prompt", "If a "]
    done = RECIPE.run(*flags, "--export", export, *SMALL)
    assert done.returncode == 0, done.stderr
    version = platform.python_version()
    for words in (
        f"Data: the help topics of Python {version}",
        "texts: 8 train, 6 validation, 8 test",
        "A language model: an LSTM of 8 units",
        "val_perplexity",
        f"Test, 8 texts of Python {version}, bits per character: ",
        f"Exported to {export / '1'}",
        "piece by piece",
        "\n    If a ",
    ):
        assert words in done.stdout, done.stdout
    assert done.stderr == ""
    assert sorted(p.name for p in export.iterdir()) == ["1", "README.md"]
    about = json.loads((export / "1" / "assets.extra" / "textlstm.json").read_text("utf-8"))
    assert any(name.endswith("bits per character") for name in about["scores"])
    go_on = tf.saved_model.load(str(export / "1")).signatures["serving_default"]
    assert go_on(prompt=tf.constant(["The"]))["text"].shape == (1,)


def test_a_run_that_is_killed_is_resumed_and_fine_tuned(book, tmp_path, monkeypatch, capfd):
    first = tmp_path / "first"
    flags = ["--data", book, "--model-type", "char", "--optimizer", "asgd", "--weight-drop", 0.1]
    flags += ["--learning-rate", 1, "--normalization", "nmt_nfkc_cf"]
    flags += ["--epochs", 8, "--export", first, *SMALL]
    RECIPE.run_and_kill(*flags, when=first / ".training/state/training.npz")
    assert not (first / "1").exists()
    assert RECIPE.run_here(monkeypatch, *flags, "--seed", 1, "--resume") == 2
    assert "--seed was 0, is 1" in capfd.readouterr().err
    assert RECIPE.run_here(monkeypatch, *flags, "--resume") == 0
    out = capfd.readouterr().out
    assert "held out for test and validation: the end of each text" in out
    assert "Epoch 1/8" not in out and "Training a tokenizer" not in out
    assert sorted(p.name for p in first.iterdir()) == ["1", "README.md"]
    tokenizer = textlstm.load(first).tokenizer
    assert tokenizer.decode(tokenizer.encode("  The  BOOK ")) == "the book"
    assert RECIPE.run_here(monkeypatch, *flags, "--measure", first) == 0
    measured = capfd.readouterr().out
    scores = [line for line in out.splitlines() if line.startswith("Test, ")]
    assert scores and [line for line in measured.splitlines() if line in scores] == scores
    assert "Epoch" not in measured and "exported" not in measured
    assert sorted(p.name for p in first.iterdir()) == ["1", "README.md"]

    poems = tmp_path / "poems.jsonl"
    rows = [json.dumps({"poem": f"Verse {n}"}) for n in range(80)]
    poems.write_text("\n".join(rows), "utf-8")
    flags = ["--data", poems, "--text-column", "poem", "--init", first, "--epochs", 1]
    flags += ["--batch-size", 4, "--compact", "--export", tmp_path / "second", "--dropout", 0.1]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    assert f"Fine-tuning {first}" in capfd.readouterr().out
    second = textlstm.load(tmp_path / "second")
    assert second.tokenizer.pieces[4:] and second.get_config()["dropout"] == 0.1


@pytest.mark.parametrize("model_type", ["byte", "word"])
def test_other_tokens(book, tmp_path, monkeypatch, capfd, model_type):
    text = book.read_text("utf-8")
    words = text[: int(0.85 * len(text))].split()
    tokens = {"byte": 256, "word": len({*words, "\n"})}[model_type] + 4  # four marks
    flags = ["--data", book, "--model-type", model_type, "--export", tmp_path / "m", *SMALL]
    assert RECIPE.run_here(monkeypatch, *flags, "--epochs", 1, "--dtype", "mixed_bfloat16") == 0
    out = capfd.readouterr().out
    assert f"the next of {tokens} SentencePiece tokens" in out
    assert "Test, perplexity per word" in out


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--data", "none.txt"], "data 'none.txt': there is no such file or folder"),
        (["--data", "{book}", "--init", "nowhere"], "nowhere: there is no such folder"),
        (["--data", "{book}", "--init", "x", "--units", "9"], "--units: the shape of the model"),
        (["--data", "{book}", "--max-batch-tokens", "99"], "the texts are read in windows"),
        (["--data", "{book}", "--batch-size", "9999"], "give a smaller batch_size, or more text"),
        (["--data", "{book}", "--test-part", "dev"], "there is no part 'dev' to test on"),
        (["--data", "{empty}"], "empty: holds no text"),
        (["--data", "{book}", "--text-column", "0"], "has no columns to choose; leave that"),
        (["--optimizer", "asgd", "--average", "0.9"], "--average: --optimizer asgd has an average"),
        (["--model-type", "byte", "--normalization", "nfkc"], "--normalization nfkc: tokens of"),
        (["--model-type", "byte", "--vocabulary-size", "99"], "there are 256 bytes"),
        (["--data", "{book}", "--dropout", "0.2", "--hidden-dropout", "1"], "must be in [0, 1)"),
    ],
)
def test_a_mistake_is_one_line(book, tmp_path, monkeypatch, capfd, flags, message):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n", "utf-8")
    flags = [flag.format(book=book, empty=empty) for flag in flags]
    export = tmp_path / "export"
    status = RECIPE.run_here(monkeypatch, "--export", export, "--epochs", 1, *flags)
    error = capfd.readouterr().err
    assert status == 2 and "error: " in error and "Traceback" not in error
    assert message in error
    assert not export.exists()
