"""The recipe as a user runs it: a process, its output, its folder, its answer to mistakes."""

import importlib
import json
import os
import re
from pathlib import Path

import pytest
import tensorflow as tf
from recipe_runner import RECIPES, Recipe

import textlstm

RECIPE = Recipe("sentiment")
TRANSLATOR = str(Path(__file__).parents[2] / "models" / "translation-en-de")
SMALL = ["--units", "8", "--embedding-dim", "8", "--vocabulary-size", "2000"]


@pytest.fixture
def table(tmp_path):
    """A table of 60 rows, half of them of each label."""
    path = tmp_path / "reviews.csv"
    rows = [f"a {word} thing number {i},{word}" for i in range(30) for word in ("good", "bad")]
    path.write_text("\n".join(["text,label", *rows]), "utf-8")
    return path


def test_the_sample_is_trained_on_exported_and_answers(tmp_path):
    export = tmp_path / "models" / "sample"
    done = RECIPE.run("--limit", 200, "--epochs", 1, "--export", export, *SMALL)
    assert done.returncode == 0, done.stderr
    for words in (
        "Data: embedded reviews, en and zh",
        "198 train, 200 validation, 200 test",  # reviews that repeat: all of them or none
        "A text classifier for the labels `negative`, `positive`",
        "Accuracy, test, 200 texts:",
        "Accuracy, freely written, English, 226 texts:",
        "Accuracy, freely written, Chinese, 234 texts:",
        "(n-grams: ",
        f"Exported to {export / '1'}",
    ):
        assert words in done.stdout
    assert done.stderr == ""
    assert sorted(p.name for p in export.iterdir()) == ["1", "README.md"]
    about = json.loads((export / "1" / "assets.extra" / "textlstm.json").read_text("utf-8"))
    assert any("n-grams" in name for name in about["scores"])
    answer = tf.saved_model.load(str(export / "1")).signatures["serving_default"]
    assert answer(text=tf.constant(["fine"]))["label"][0] in (b"negative", b"positive")


def test_a_table_with_an_init_and_other_labels(table, tmp_path, monkeypatch, capfd):
    flags = ["--data", table, "--export", tmp_path / "first", "--epochs", 1, *SMALL]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    trained = capfd.readouterr().out
    other = tmp_path / "other.jsonl"
    rows = [
        {"review": f"{word} {i}", "colour": word} for i in range(30) for word in ("red", "green")
    ]
    other.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    flags = ["--data", other, "--text-column", "review", "--label-column", "colour"]
    flags += ["--init", tmp_path / "first", "--export", tmp_path / "second", "--epochs", 1]
    assert RECIPE.run_here(monkeypatch, *flags, "--dtype", "mixed_bfloat16") == 0
    assert textlstm.load(tmp_path / "second").compute_dtype == "float32"
    assert "New labels green, red instead of bad, good" in capfd.readouterr().out
    measure = ["--data", table, "--measure"]
    assert RECIPE.run_here(monkeypatch, *measure, tmp_path / "first") == 0
    measured = capfd.readouterr().out
    (score,) = (line for line in trained.splitlines() if line.startswith("Accuracy, test"))
    assert score in measured and "Epoch" not in measured
    assert RECIPE.run_here(monkeypatch, *measure, tmp_path / "second") == 2
    assert "the model's labels are green, red, the data's bad, good" in capfd.readouterr().err


def test_a_run_that_is_killed_is_resumed(table, tmp_path, monkeypatch, capfd):
    export = tmp_path / "model"
    flags = ["--data", table, "--export", export, "--epochs", 60, "--batch-size", 2, *SMALL]
    RECIPE.run_and_kill(*flags, when=export / ".training/state/training.npz")
    assert not (export / "1").exists()

    assert RECIPE.run_here(monkeypatch, *flags) == 2
    assert "holds a run that was cut off; go on with it by --resume" in capfd.readouterr().err
    assert RECIPE.run_here(monkeypatch, *flags, "--dropout", 0.1, "--resume") == 2
    assert "--dropout was None, is 0.1" in capfd.readouterr().err
    clock = export / ".training/time.json"
    times = json.loads(clock.read_text("utf-8"))
    clock.write_text(json.dumps({**times, "before": 7200.0}), "utf-8")  # as if it had taken long
    assert RECIPE.run_here(monkeypatch, *flags, "--resume") == 0
    out = capfd.readouterr().out
    assert "Epoch 1/60" not in out and 7200 < int(re.search(r"Trained in (\d+) s", out)[1]) < 7800
    card = (export / "README.md").read_text("utf-8")
    assert re.search(r"\n12\d minutes on", card) and "--resume" not in card
    assert sorted(p.name for p in export.iterdir()) == ["1", "README.md"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "nothing.csv"], "'nothing.csv': there is no such file or folder"),
        (["--data", "TABLE", "--text-column", "body"], "body"),
        (["--data", "sample", "--label-column", "1"], "--label-column: sample has no columns"),
        (["--data", "no_label.csv"], "no_label.csv:3"),
        (["--data", "empty.csv"], "empty: holds no text"),
        (["--data", "one_class.csv"], "a classifier needs at least two classes"),
        (["--data", "bytes.csv"], "bytes.csv:2"),
        (["--data", "TABLE", "--export", "/proc/self/model"], "a model cannot be exported there"),
        (["--data", "TABLE", "--export", "TABLE"], "a model cannot be exported there"),
        (["--data", "TABLE", "--init", "."], "is no model folder"),
        (["--data", "TABLE", "--init", "nowhere"], "nowhere: there is no such folder"),
        (["--data", "TABLE", "--init", TRANSLATOR], "is a Translator, not a TextClassifier"),
        (["--data", "TABLE", "--init", ".", "--units", "4"], "--units: the shape of the model"),
        (["--data", "TABLE", "--rate-decay", "3"], "--rate-decay: give --language-model FOLDER"),
        (["--data", "TABLE", "--seed", "-1"], "must be a whole number, got '-1'"),
        (["--data", "TABLE", "--units", "0"], "must be a positive whole number, got '0'"),
        (["--data", "TABLE", "--dropout", "1.5"], "must be in [0, 1)"),
        (["--data", "TABLE", "--max-tokens", "1"], "`max_tokens` must be at least 2"),
        (["--data", "TABLE", "TABLE"], "is given twice"),
        (["--data", "TABLE", "--label-separator", ""], "the label separator is empty"),
        (["--data", "rows.jsonl", "--no-header"], "have no header row"),
        (["--data", "TABLE", "--label-names", "good"], "must be OLD=NEW, got 'good'"),
        (["--data", "TABLE", "--label-names", "fine=ok"], "no row has the label 'fine'"),
        (["--data", "TABLE", "--label-names", "bad=good"], "every row has the label 'good'"),
        (["--data", "TABLE", "--warmup", "1"], "must be in [0, 1), got '1'"),
        (["--data", "TABLE", "--average", "often"], "must be in [0, 1), got 'often'"),
        (["--data", "TABLE", "--label-smoothing", "-1"], "must be in [0, 1), got '-1'"),
        (["--data", "TABLE", "--validation-share", "0"], "must be above 0 and below 1, got '0'"),
        (["--data", "TABLE", "--adversarial", "1"], "must be in [0, 1), got '1'"),
        (["--data", "TABLE", "--learning-rate", "nan"], "must be a number above 0, got 'nan'"),
        (["--data", "TABLE", "--subword-sampling", "0"], "must be a number above 0, got '0'"),
        (["--data", "TABLE", "--max-batch-tokens", "0"], "must be a positive whole number"),
        (["--data", "TABLE", "--dtype", "float8"], "invalid choice: 'float8'"),
        (["--data", "TABLE", "--class-weight", "2"], "invalid choice: '2'"),
        (["--data", "TABLE", "--normalization", "lower"], "invalid choice: 'lower'"),
        (["--data", "TABLE", "--convolution", "-3"], "must be a whole number, got '-3'"),
        (
            ["--data", "TABLE", "--convolution", "0", "--convolution-pool", "2"],
            "--convolution-pool: there is no convolution; give --convolution WIDTH too",
        ),
        (["--data", "TABLE", "--vectors", "no.vec", *SMALL], "no.vec"),
        (["--data", "TABLE", "--vectors", "short.vec", *SMALL], "short.vec"),
        (["--data", "TABLE", "--vectors", "two.vec", *SMALL], "embedding_dim=2"),
        (
            ["--data", "sets.csv", "--label-separator", "|", "--class-weight", "balanced", *SMALL],
            "class_weight weighs rows by their one label",
        ),
        (["--data", "TABLE", "--init", ".", "--vectors", "two.vec"], "--vectors: the shape"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    table, tmp_path, monkeypatch, capfd, flags, message
):
    here = tmp_path / "here"
    here.mkdir()
    (here / "no_label.csv").write_text("text,label\na,x\nb,\nc,y\n", "utf-8")
    (here / "empty.csv").write_text("text,label\n", "utf-8")
    (here / "one_class.csv").write_text("text,label\n" + "a,x\n" * 100, "utf-8")
    (here / "bytes.csv").write_bytes(b"text,label\na\xff,x\nb,y\n")
    (here / "rows.jsonl").write_text('{"text": "a", "label": "x"}\n', "utf-8")
    (here / "short.vec").write_text("good 1 2\nbad 1\n", "utf-8")
    (here / "two.vec").write_text("good 1 2\nbad 2 1\n", "utf-8")
    rows = [f"row {i},{('x', 'x|y', '')[i % 3]}\n" for i in range(60)]
    (here / "sets.csv").write_text("text,label\n" + "".join(rows), "utf-8")
    flags = [str(table) if flag == "TABLE" else flag for flag in flags]
    if "--export" not in flags:
        flags += ["--export", "model"]
    before = sorted(p.name for p in here.iterdir())
    monkeypatch.chdir(here)
    assert RECIPE.run_here(monkeypatch, *flags) == 2
    printed = capfd.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    error = [line for line in printed.splitlines() if "error: " in line]
    assert len(error) == 1 and printed.rstrip().endswith(error[0])
    assert sorted(p.name for p in here.iterdir()) == before


def test_several_tables_with_several_labels_and_every_option(tmp_path, monkeypatch, capfd):
    for name, thing in (("cups", "cup"), ("pots", "pot")):
        rows = [(("red",), ("blue",), ("red", "blue"), ())[i % 4] for i in range(60)]
        lines = [f"{' and '.join(row)} {thing} {i}\t{'|'.join(row)}" for i, row in enumerate(rows)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(lines), "utf-8")
    (tmp_path / "two.vec").write_text("red 1 2\nblue 2 1\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    flags = "--data cups.tsv pots.tsv --no-header --text-column 0 --label-column 1"
    flags += " --label-separator | --deduplicate --remove-leaks --normalization nmt_nfkc_cf"
    flags += " --label-names red=rot"
    flags += " --vectors two.vec --embedding-dim 2 --units 4 --convolution 3 --convolution-pool 2"
    flags += " --convolution-filters 6 --token-dropout 0.1"
    flags += " --dtype mixed_bfloat16 --average 0.9 --warmup 0.1 --label-smoothing 0.1"
    flags += " --adversarial 0.1 --validation-share 0.2"
    flags += " --max-batch-tokens 400 --subword-sampling 0.2 --batch-size 16 --epochs 1"
    assert RECIPE.run_here(monkeypatch, *flags.split(), "--export", "model") == 0
    printed = capfd.readouterr().out
    for words in (
        "labels `blue`, `rot`, of which a text may have any number",
        "over a convolution of width 3 and 6 filters, pooled by 2",
        "vectors for ",
        "Micro F1, test, ",
        "Micro F1, test, cups, ",
        "Micro F1, test, pots, ",
        "(n-grams: ",
    ):
        assert words in printed
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "| micro F1, test, pots, linear model over n-grams |" in card
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["1", "README.md"]


def test_what_is_held_out_does_not_follow_the_seed(table, tmp_path, monkeypatch, capfd):
    flags = ["--data", table, "--epochs", 1, *SMALL]
    first = [*flags, "--export", tmp_path / "first", "--seed", 5]
    assert RECIPE.run_here(monkeypatch, *first) == 0
    tested = [line for line in capfd.readouterr().out.splitlines() if line.startswith("Accuracy")]
    for others, same in ((["--seed", 9], True), (["--split-seed", 9], False)):
        assert RECIPE.run_here(monkeypatch, *flags, "--measure", tmp_path / "first", *others) == 0
        printed = capfd.readouterr().out.splitlines()
        again = [line for line in printed if line.startswith("Accuracy")]
        assert (again == tested) == same


def test_no_version_is_added_to_a_model_that_ships_unless_it_is_said(
    table, tmp_path, monkeypatch, capfd
):
    named = table.rename(tmp_path / "en.csv")
    assert RECIPE.run_here(monkeypatch, "--data", named) == 2
    assert "sentiment-en, which ships with textlstm" in capfd.readouterr().err
    kept = (RECIPES.parent / ".gitignore").read_text("utf-8").splitlines()
    ships = [
        line.split("/")[2] for line in kept if line.startswith("!/models/") and line[-1] == "/"
    ]
    monkeypatch.syspath_prepend(RECIPES)
    assert list(importlib.import_module("common").SHIPPED) == ships


def test_help_lists_the_flags():
    done = RECIPE.run("--help", env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0
    for flag in ("--data", "--text-column", "--label-column", "--units", "--num-layers", "--cell"):
        assert flag in done.stdout
    for flag in ("--epochs", "--init", "--export", "--resume", "--seed", "--limit", "--split-seed"):
        assert flag in done.stdout


def test_a_language_model_s_layers_are_where_it_begins(table, tmp_path, monkeypatch, capfd):
    tokenizer = textlstm.SentencePieceTokenizer.train(["a good or bad thing number 123"], 40)
    language_model = textlstm.LanguageModel(tokenizer, units=6, num_layers=1, embedding_dim=4)
    learned = tmp_path / "learned"
    textlstm.export(language_model, learned)
    flags = ["--data", table, "--language-model", learned, "--export", tmp_path / "model"]
    refused = RECIPE.run_here(monkeypatch, *flags, "--units", 8, "--warmup", 0.1)
    assert refused == 2
    assert "--units, --warmup: does not go with --language-model" in capfd.readouterr().err
    assert RECIPE.run_here(monkeypatch, *flags, "--average", 0.9) == 2
    assert "--average: goes with a language model only if all" in capfd.readouterr().err
    at_once = ["--average", 0.9, "--unfreeze-epochs", 0, "--epochs", 1]
    assert RECIPE.run_here(monkeypatch, *flags, *at_once) == 0
    flags += ["--epochs", 3, "--language-loss", 0.1, "--compact"]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    assert f"Beginning with {learned}" in capfd.readouterr().out
    model = textlstm.load(tmp_path / "model")
    assert model.tokenizer.pieces == tokenizer.pieces
    other = ["--data", table, "--language-model", tmp_path / "model"]
    assert RECIPE.run_here(monkeypatch, *other, "--export", tmp_path / "other") == 2
    assert "is a TextClassifier, not a LanguageModel" in capfd.readouterr().err
