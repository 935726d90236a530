"""Texts without labels get those that classifiers agree on, and train a further classifier."""

import json

import numpy as np
import pytest
from recipe_runner import Recipe

import textlstm
from textlstm.data import sample_reviews

RECIPE = Recipe("pseudo_labels")


@pytest.fixture(scope="module")
def other(make_classifier, tmp_path_factory):
    """The folder of another classifier, with the same labels in another order."""
    model = make_classifier(("positive", "negative"))
    return textlstm.export(model, tmp_path_factory.mktemp("models") / "other").parent


@pytest.fixture
def texts(tmp_path):
    """A file with a text on each line, one of them twice."""
    path = tmp_path / "texts.txt"
    rows = [review.text for review in sample_reviews("en", "test", 40)]
    path.write_text("\n".join([*rows, rows[0]]), "utf-8")
    return path


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_labels_are_the_mean_answers(exported, other, texts, tmp_path, monkeypatch, capfd):
    output = tmp_path / "labelled.jsonl"
    flags = ["--models", exported.parent, other, "--data", texts, "--unit", "line", output]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    rows = rows_of(output)
    assert [row["text"] for row in rows] == texts.read_text("utf-8").splitlines()[:40]
    first, second = (textlstm.load(folder) for folder in (exported.parent, other))
    asked = [row["text"] for row in rows]
    expected = (first.predict(asked, verbose=0) + second.predict(asked, verbose=0)[:, ::-1]) / 2
    assert [row["label"] for row in rows] == [first.labels[i] for i in expected.argmax(-1)]
    np.testing.assert_allclose([row["score"] for row in rows], expected.max(-1), atol=1e-4)
    assert "40 different texts" in capfd.readouterr().out

    least = sorted(row["score"] for row in rows)[-10]
    assert RECIPE.run_here(monkeypatch, *flags, "--least", least) == 0
    assert 1 <= len(rows_of(output)) <= 11
    assert all(row["score"] >= least - 1e-4 for row in rows_of(output))


def test_a_classifier_is_trained_on_them_too(exported, texts, tmp_path, monkeypatch, capfd):
    output, table = tmp_path / "labelled.jsonl", tmp_path / "reviews.csv"
    flags = ["--models", exported.parent, "--data", texts, "--unit", "line", output]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    rows = [f"a {word} thing number {i},{word}" for i in range(30) for word in ("good", "bad")]
    rows = [row.replace(",good", ",positive").replace(",bad", ",negative") for row in rows]
    table.write_text("\n".join(["review,stars", *rows]), "latin-1")
    flags = ["--data", table, "--more-data", output, "--export", tmp_path / "model", "--epochs", 1]
    # What is said of the table does not hold for what the other recipe wrote.
    flags += ["--text-column", "review", "--label-column", "stars", "--encoding", "latin-1"]
    flags += ["--units", 8, "--embedding-dim", 8, "--vocabulary-size", 2000]
    capfd.readouterr()
    assert Recipe("sentiment").run_here(monkeypatch, *flags) == 0
    source = textlstm.open_source(table, text_column="review", label_column="stars")
    assert f"{textlstm.split_examples(source).counts['train'] + 40} train" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"least": 0.9999999}, "no text has a score so high"),
        ({"output": "labelled.csv"}, "must end with .jsonl"),
        ({"output": "nowhere/labelled.jsonl"}, "there is no folder"),
        ({"models": "models/translation-en-de"}, "is a Translator, not a TextClassifier"),
        ({"data": "nowhere.txt"}, "there is no such file or folder"),
    ],
)
def test_mistakes_are_told_in_one_line(wrong, words, exported, texts, tmp_path, monkeypatch, capfd):
    models = wrong.get("models", exported.parent)
    if "models" in wrong:
        models = RECIPE.path.parents[1] / models
    flags = ["--models", models, "--data", wrong.get("data", texts), "--unit", "line"]
    flags += ["--least", wrong.get("least", 0), tmp_path / wrong.get("output", "labelled.jsonl")]
    assert RECIPE.run_here(monkeypatch, *flags) == 2
    error = capfd.readouterr().err
    assert words in error and "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["texts.txt"]


def test_models_must_have_the_same_labels(
    exported, make_classifier, texts, tmp_path, monkeypatch, capfd
):
    stars = textlstm.export(make_classifier(("1", "2", "3")), tmp_path / "stars").parent
    flags = ["--models", exported.parent, stars, "--data", texts, tmp_path / "labelled.jsonl"]
    assert RECIPE.run_here(monkeypatch, *flags) == 2
    assert "its labels are 1, 2, 3, those of" in capfd.readouterr().err
