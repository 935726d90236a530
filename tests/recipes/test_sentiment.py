"""The recipe as a user runs it: a process, its output, its folder, its answer to mistakes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "sentiment.py"
SMALL = ["--units", "8", "--embedding-dim", "8", "--vocabulary-size", "2000"]


def run(*flags, **options):
    command = [sys.executable, str(RECIPE), *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, **options)


@pytest.fixture
def table(tmp_path):
    """A table of 60 rows, half of them of each label."""
    path = tmp_path / "reviews.csv"
    rows = [f"a {word} thing number {i},{word}" for i in range(30) for word in ("good", "bad")]
    path.write_text("\n".join(["text,label", *rows]), "utf-8")
    return path


def test_the_sample_is_trained_on_exported_and_answers(tmp_path):
    export = tmp_path / "models" / "sample"
    done = run("--limit", 200, "--epochs", 1, "--export", export, *SMALL)
    assert done.returncode == 0, done.stderr
    for words in (
        "Data: embedded reviews, en and zh",
        "200 train, 200 validation, 200 test",
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


def test_a_table_with_an_init_and_other_labels(table, tmp_path):
    first = run("--data", table, "--export", tmp_path / "first", "--epochs", 1, *SMALL)
    assert first.returncode == 0, first.stderr
    other = tmp_path / "other.jsonl"
    rows = [
        {"review": f"{word} {i}", "colour": word} for i in range(30) for word in ("red", "green")
    ]
    other.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    flags = ["--data", other, "--text-column", "review", "--label-column", "colour"]
    flags += ["--init", tmp_path / "first", "--export", tmp_path / "second", "--epochs", 1]
    second = run(*flags)
    assert second.returncode == 0, second.stderr
    assert "New labels green, red instead of bad, good" in second.stdout


def test_a_run_that_is_killed_is_resumed(table, tmp_path):
    export = tmp_path / "model"
    flags = ["--data", table, "--export", export, "--epochs", 60, "--batch-size", 2, *SMALL]
    command = [sys.executable, str(RECIPE), *map(str, flags)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not list(export.glob(".training/state/epoch-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (export / "1").exists()

    other = run(*flags, "--dropout", 0.1, "--resume")
    assert other.returncode == 2
    assert "--dropout was 0.5, is 0.1" in other.stderr
    resumed = run(*flags[: -len(SMALL) - 4], "--epochs", 60, "--batch-size", 2, *SMALL, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "Epoch 1/60" not in resumed.stdout
    assert sorted(p.name for p in export.iterdir()) == ["1", "README.md"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data", "nothing.csv"], "'nothing.csv': there is no such file or folder"),
        (["--data", "TABLE", "--text-column", "body"], "body"),
        (["--data", "no_label.csv"], "no_label.csv:3"),
        (["--data", "empty.csv"], "empty: holds no text"),
        (["--data", "one_class.csv"], "a classifier needs at least two classes"),
        (["--data", "bytes.csv"], "bytes.csv:2"),
        (["--data", "TABLE", "--export", "/proc/self/model"], "a model cannot be exported there"),
        (["--data", "TABLE", "--export", "TABLE"], "a model cannot be exported there"),
        (["--data", "TABLE", "--init", "."], "is no model folder"),
        (["--data", "TABLE", "--init", "nowhere"], "nowhere: there is no such folder"),
        (["--data", "TABLE", "--init", ".", "--units", "4"], "--units: the shape of the model"),
        (["--data", "TABLE", "--units", "0"], "must be a positive whole number, got '0'"),
        (["--data", "TABLE", "--dropout", "1.5"], "must be in [0, 1)"),
        (["--data", "TABLE", "--max-tokens", "1"], "`max_tokens` must be at least 2"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(table, tmp_path, flags, message):
    here = tmp_path / "here"
    here.mkdir()
    (here / "no_label.csv").write_text("text,label\na,x\nb,\nc,y\n", "utf-8")
    (here / "empty.csv").write_text("text,label\n", "utf-8")
    (here / "one_class.csv").write_text("text,label\n" + "a,x\n" * 100, "utf-8")
    (here / "bytes.csv").write_bytes(b"text,label\na\xff,x\nb,y\n")
    flags = [str(table) if flag == "TABLE" else flag for flag in flags]
    if "--export" not in flags:
        flags += ["--export", "model"]
    before = sorted(p.name for p in here.iterdir())
    done = run(*flags, cwd=here)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    error = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(error) == 1 and done.stderr.rstrip().endswith(error[0])
    assert sorted(p.name for p in here.iterdir()) == before


def test_help_lists_the_flags():
    done = run("--help", env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0
    for flag in ("--data", "--text-column", "--label-column", "--units", "--num-layers", "--cell"):
        assert flag in done.stdout
    for flag in ("--epochs", "--init", "--export", "--resume", "--seed", "--limit"):
        assert flag in done.stdout
