"""The recipe as a user runs it: a process, its output, its folder, its answer to mistakes."""

import json

import pytest
import tensorflow as tf
from recipe_runner import Recipe

import textlstm

RECIPE = Recipe("translation")
SMALL = ["--units", "8", "--embedding-dim", "8", "--epochs", "1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of 200 pairs without a header, as https://www.manythings.org/anki has them."""
    path = tmp_path_factory.mktemp("data") / "sample.txt"  # not the embedded sample
    rows = [f"I have {n} cats.\tIch habe {n} Katzen.\tattribution {n}" for n in range(200)]
    path.write_text("\n".join(rows), "utf-8")
    return path


def test_the_sample_is_trained_on_exported_and_answers(tmp_path):
    export = tmp_path / "models" / "sample"
    done = RECIPE.run("--limit", 120, "--vocabulary-size", 900, "--export", export, *SMALL)
    assert done.returncode == 0, done.stderr
    for words in (
        "Data: embedded phrase book, English and Chinese",
        "120 train, 120 validation, 120 test pairs",
        "A translator: a bidirectional LSTM of 4 units a direction encodes the text",
        "val_bleu",
        "Test, 120 texts, BLEU (nrefs:1|case:mixed|eff:no|tok:zh",
        "Freely written, 230 texts, chrF2 (nrefs:1|case:mixed",
        f"Exported to {export / '1'}; it answers:",
    ):
        assert words in done.stdout, done.stdout
    assert done.stderr == ""
    answered = done.stdout.partition("it answers:\n")[2].splitlines()
    tested = [pair.source for pair in textlstm.open_pairs(["sample"]).pairs("test")]
    assert {text.strip() for text in answered[:8:2]} <= set(tested)
    assert sorted(p.name for p in export.iterdir()) == ["1", "README.md"]
    about = json.loads((export / "1" / "assets.extra" / "textlstm.json").read_text("utf-8"))
    assert any(name.startswith("test, 120 texts, BLEU") for name in about["scores"])
    translate = tf.saved_model.load(str(export / "1")).signatures["serving_default"]
    assert translate(text=tf.constant(["Hello!"]))["translation"].shape == (1,)


def test_a_run_that_is_killed_is_resumed_and_fine_tuned_with_more_data(
    table, tmp_path, monkeypatch, capfd
):
    first = tmp_path / "first"
    flags = ["--data", table, "--export", first, "--shared-vocabulary", "--batch-size", 2]
    flags += ["--test-size", 20, "--validation-size", 10, *SMALL, "--epochs", 3]
    RECIPE.run_and_kill(*flags, when=first / ".training/state/training.npz")
    assert not (first / "1").exists()

    assert RECIPE.run_here(monkeypatch, *flags, "--units", 16, "--resume") == 2
    assert "--units was 8, is 16" in capfd.readouterr().err
    assert RECIPE.run_here(monkeypatch, *flags, "--resume") == 0
    out = capfd.readouterr().out
    assert "170 train, 10 validation, 20 test pairs" in out
    assert "SentencePiece tokens for both languages" in out
    assert "Epoch 1/3" not in out and "Training a tokenizer" not in out
    assert sorted(p.name for p in first.iterdir()) == ["1", "README.md"]
    assert RECIPE.run_here(monkeypatch, *flags, "--measure", first) == 0
    measured = capfd.readouterr().out
    scores = [line for line in out.splitlines() if line.startswith("Test, ")]
    assert scores and [line for line in measured.splitlines() if line in scores] == scores
    assert "Epoch" not in measured and "exported" not in measured

    extra = tmp_path / "more.tsv"
    rows = table.read_text("utf-8").split("\n")[:50] + ["I am here.\tIch bin hier.\tattribution"]
    extra.write_text("\n".join(rows), "utf-8")
    named = tmp_path / "more.jsonl"  # what is said of the table does not hold for its columns
    named.write_text('{"de": "Sie ist hier.", "en": "She is here."}\n', "utf-8")
    flags = ["--data", table, "--more-data", extra, named, "--init", first, "--text-column", 0]
    flags += ["--label-column", 1, "--source-language", "en", "--target-language", "de"]
    flags += ["--export", tmp_path / "second", "--epochs", 1]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    out = capfd.readouterr().out
    assert f"Fine-tuning {first}" in out and "of more with a source that also stands in" in out
    assert "220 train" in out


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--data", "none.en", "none.de"], "data 'none.en': there is no such file"),
        (["--data", "{table}", "--text-column", "0", "--label-column", "7"], "7"),
        (["--data", "sample", "--text-column", "1"], "--text-column: sample has no columns"),
        (["--data", "{table}", "--test-part", "dev"], "there is no part 'dev' to test on"),
        (["--data", "{table}", "--init", "nowhere"], "nowhere: there is no such folder"),
        (["--data", "{table}", "--units", "9"], "must be even"),
        (["--data", "{table}", "--max-tokens", "2"], "all 178 pairs are left out"),
    ],
)
def test_a_mistake_is_one_line(table, tmp_path, monkeypatch, capfd, flags, message):
    flags = [flag.format(table=table) for flag in flags]
    export = tmp_path / "export"
    status = RECIPE.run_here(monkeypatch, "--export", export, "--epochs", 1, *flags)
    error = capfd.readouterr().err
    assert status == 2
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert not export.exists()


def test_files_of_unequal_length_are_told_with_both_counts(tmp_path, monkeypatch, capfd):
    (tmp_path / "a.en").write_text("One.\n" * 30, "utf-8")
    (tmp_path / "a.de").write_text("Eins.\n" * 28, "utf-8")
    data = [tmp_path / "a.en", tmp_path / "a.de"]
    assert RECIPE.run_here(monkeypatch, "--data", *data, "--export", tmp_path / "e") == 2
    assert "a.en has 30 lines and a.de 28" in capfd.readouterr().err
