"""The benchmarks run, whatever they measure here, and leave what they promise."""

import importlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import textlstm

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "flags", "words"),
    [
        ("recurrence", ["--sizes", "2,3,4", "--cell", "GRU"], "GRU     2     2     3     4 train"),
        (
            "end_to_end",
            ["--limit", "40", "--runs", "keras-tutorial", "torch-padded"],
            "stock Keras layers, as its tutorial feeds them",
        ),
    ],
)
def test_runs_and_writes_its_results(tmp_path, script, flags, words):
    command = [sys.executable, BENCHMARKS / f"{script}.py", *flags, "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    results = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert results["machine"]["threads"] == 2
    assert results["rows"]


def test_transfer_is_measured_beside_what_knows_no_language(tmp_path):
    texts = ["a good thing, the number 1", "a bad thing, the number 2"]
    model = textlstm.LanguageModel(
        textlstm.SentencePieceTokenizer.train(texts, model_type="char"), units=8, embedding_dim=8
    )
    textlstm.export(model, tmp_path / "language")

    flags = [
        *("--language-model", "language", "--data", "sample-en", "--labels", "200", "--draws", "1"),
        *("--epochs", "1", "--epochs-without", "1", "--pseudo-labels", "40"),
        *("--dtype", "float32", "--output", "out"),
    ]
    command = [sys.executable, BENCHMARKS / "transfer.py", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "draw 0, from a language model: " in done.stdout
    results = json.loads((tmp_path / "out.json").read_text("utf-8"))
    names = ["from a language model", "and pseudo-labels", "without one", "n-grams"]
    assert list(results["draws"]["0"]) == names
    for accuracy in results["draws"]["0"].values():
        right = 600 * accuracy  # of the test part
        assert right == pytest.approx(round(right)) and 0 < right < 600

    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "draw 0" not in again.stdout and "n-grams" in again.stdout


def test_the_scores_of_a_card_are_found_again_and_a_wrong_one_is_told(tmp_path, monkeypatch, capfd):
    table = tmp_path / "reviews.csv"
    rows = [f"a {word} thing number {i},{word}" for i in range(40) for word in ("good", "bad")]
    table.write_text("\n".join(["text,label", *rows]), "utf-8")
    recipe = BENCHMARKS.parent / "recipes" / "sentiment.py"
    small = ["--units", "4", "--embedding-dim", "4", "--vocabulary-size", "60", "--epochs", "1"]
    flags = ["--data", "reviews.csv", "--export", "model", *small]
    subprocess.run([sys.executable, recipe, *flags], cwd=tmp_path, check=True)
    card = tmp_path / "model" / "README.md"
    # As published, the command names the recipe from the project's folder, and another one stands
    # before it that trained what this one began with.
    told = card.read_text("utf-8").replace(str(recipe), "recipes/sentiment.py")
    earlier = "`python recipes/generation.py --data nowhere.txt --export earlier` and "
    told = told.replace("\n`python", f"\n{earlier}`python")
    card.write_text(
        told.replace("--export model", "--more-data gone.jsonl --export model"), "utf-8"
    )

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(BENCHMARKS)
    model_cards = importlib.import_module("model_cards")
    command = ["model_cards.py", "--model", "model", "--files", f"reviews.csv={table}"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        model_cards.main()
    printed = capfd.readouterr().out
    assert end.value.code == 0, printed
    assert "All scores are as the cards tell" in printed
    assert not list(tmp_path.glob("model/2"))  # nothing was trained

    wrong = re.sub(
        r"(\| accuracy, test, \d+ texts \|) [\d.]+", r"\1 0.1234", card.read_text("utf-8")
    )
    card.write_text(wrong, "utf-8")
    monkeypatch.setattr(model_cards, "call", lambda command: printed)  # measured once
    with pytest.raises(SystemExit) as end:
        model_cards.main()
    printed = capfd.readouterr().out
    assert end.value.code == 1
    assert ": 0.1234, now " in printed
    assert "Scores that differ: 1" in printed


def test_probabilities_by_counting_sum_to_one_and_are_those_of_the_equation(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("n_grams")
    model = module.NGrams(["abab", "ab"], most=3)
    for history in ("", "a", "b", "ab", "ba", "zz"):
        p = {c: model.probability(history, c) for c in ("a", "b", module.END, "unseen")}
        assert sum(p.values()) == pytest.approx(1)
    # Of 8 characters with the end marks 3 are "a", of 3 kinds; "a" comes behind "b" once of thrice.
    p_a = (3 + 3 * 1 / 4) / (8 + 3)
    assert model.probability("b", "a") == pytest.approx((1 + 2 * p_a) / (3 + 2))
    nats = model.nats_per_character(["ab"], 1)
    ends = (2 + 3 * 1 / 4) / (8 + 3)
    assert nats == pytest.approx(-(2 * math.log(p_a) + math.log(ends)) / 3)
