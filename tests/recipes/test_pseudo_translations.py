"""Texts without translations get those of a translator, and train a further one."""

import json

import keras
import pytest
from recipe_runner import Recipe

import textlstm

RECIPE = Recipe("pseudo_translations")
TEXTS = [f"{a} {b} {c}" for a in "abcd" for b in "abcd" for c in "efgh"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of an untrained translator of letters to capitals."""
    capitals = [text.upper() for text in TEXTS]
    tokenizers = [textlstm.SentencePieceTokenizer.train(x, 20, "char") for x in (TEXTS, capitals)]
    keras.utils.set_random_seed(0)
    translator = textlstm.Translator(*tokenizers, units=8, embedding_dim=8, max_tokens=8)
    return textlstm.export(translator, tmp_path_factory.mktemp("models") / "letters").parent


def test_each_text_gets_its_translation_and_score(model, tmp_path, monkeypatch, capfd):
    lines, table, output = (tmp_path / name for name in ("a.txt", "b.tsv", "c.jsonl"))
    lines.write_text("\n".join(TEXTS[:20]), "utf-8")
    table.write_text("".join(f"{text}\tno matter\n" for text in TEXTS[10:30]), "utf-8")
    flags = ["--model", model, "--source-language", "en", "--target-language", "xx"]
    assert RECIPE.run_here(monkeypatch, *flags, "--data", lines, "--beam-size", 1, output) == 0
    assert "20 different texts" in capfd.readouterr().out
    assert len(output.read_text("utf-8").splitlines()) <= 20

    flags += ["--data", table, "--pairs", output, "--beam-size", 2]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    translator = textlstm.load(model)
    answers = translator.translate(TEXTS[10:30], beam_size=2, n_best=1)
    pairs = [(text, best.text) for text, (best,) in zip(TEXTS[10:30], answers, strict=True)]
    assert [(row["en"], row["xx"]) for row in rows] == [pair for pair in pairs if pair[1].strip()]
    for row in rows:  # the mean log p of its tokens
        ids = translator.target_tokenizer.encode(row["xx"])
        (again,) = [best for text, (best,) in zip(TEXTS[10:30], answers) if text == row["en"]]
        assert row["score"] * len(ids) == pytest.approx(again.score * (5 + len(ids)) / 6, rel=1e-3)
    # Without the quarter that the model was least sure of.
    assert RECIPE.run_here(monkeypatch, *flags, "--leave-out", 0.25) == 0
    kept = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert len(kept) == len(rows) - len(rows) // 4 and [row for row in rows if row in kept] == kept
    left_out = [row["score"] for row in rows if row not in kept]
    assert max(left_out) <= min(row["score"] for row in kept)
    # The other recipe finds the columns by their languages.
    source = textlstm.open_pairs(output, source_language="en", target_language="xx")
    assert next(source.pairs("all")).source == kept[0]["en"]


def test_what_is_shorter_or_longer_than_people_s_is_left_out(model, tmp_path, monkeypatch, capfd):
    lines, true, output = (tmp_path / name for name in ("a.txt", "true.tsv", "c.jsonl"))
    lines.write_text("\n".join(TEXTS), "utf-8")
    flags = ["--model", model, "--source-language", "en", "--target-language", "xx"]
    flags += ["--data", lines, "--beam-size", 1, output]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    encode = textlstm.load(model).target_tokenizer.encode
    lengths = [len(encode(row["xx"])) for row in rows]
    assert len(set(lengths)) > 2  # it is not trained, so that they differ
    usual = sorted(lengths)[len(lengths) // 2]
    # People say everything in so many letters, but in the pairs that are held out in far more.
    letters = next("A" * n for n in range(1, 9) if len(encode("A" * n)) == usual)
    pairs = {text: letters for text in [*TEXTS, "a", "b b"]}

    def write_pairs():
        true.write_text("".join(f"{text}\t{said}\n" for text, said in pairs.items()), "utf-8")

    write_pairs()
    split = textlstm.split_pairs(textlstm.open_pairs(true), test_size=5)
    held_out = [pair.source for part in ("test", "validation") for pair in split.pairs(part)]
    assert len(held_out) > 5
    pairs |= {text: letters * 50 for text in held_out}
    write_pairs()
    flags += ["--true-pairs", true, "--length-range", 0.9, 1.1, "--test-size", 5]
    assert RECIPE.run_here(monkeypatch, *flags) == 0
    kept = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    near = [row for row, n in zip(rows, lengths, strict=True) if 0.9 <= n / usual <= 1.1]
    assert 0 < len(near) < len(rows) and kept == near
    assert f"{len(near):,} of {len(rows):,} translations" in capfd.readouterr().out

    assert RECIPE.run_here(monkeypatch, *flags, "--length-range", 8, 9) == 2
    assert f"none of {len(rows):,} translations is within it" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--target-language", "en", "c.jsonl"], "is the language of the texts, too"),
        (["--target-language", "zh", "c.tsv"], "must end with .jsonl"),
        (["--target-language", "zh", "nowhere/c.jsonl"], "there is no folder nowhere"),
        (["--target-language", "zh", "c.jsonl", "--text-column", "2"], "has no columns to choose"),
        (["--target-language", "zh", "c.jsonl", "--model", "CLASSIFIER"], "not a Translator"),
        (["--target-language", "zh", "c.jsonl", "--true-pairs", "no.tsv"], "no.tsv"),
    ],
)
def test_a_mistake_is_one_line(model, exported, tmp_path, monkeypatch, capfd, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("a b e\n", "utf-8")
    flags = [str(exported.parent) if flag == "CLASSIFIER" else flag for flag in flags]
    flags = ["--data", "a.txt", "--source-language", "en", "--model", model, *flags]
    assert RECIPE.run_here(monkeypatch, *flags) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
