"""What the README shows works."""

import re
from pathlib import Path

import keras

import textlstm

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_cell_of_ones_own_works():
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "LeakyCell" in b]
    names = {}
    exec(block, names)
    outputs = names["layer"](keras.random.normal((2, 5, 3)))
    assert outputs.shape == (2, 5, 128)


def test_training_works_as_shown(reviews, tmp_path, monkeypatch):
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "smoothing" in b]
    block = block.replace("8000", "700").replace("    labels,\n", "    labels,\n    epochs=1,\n")
    assert block.count("epochs=1") == 1
    monkeypatch.chdir(tmp_path)
    names = {"textlstm": textlstm, "texts": reviews[0], "labels": reviews[1]}
    exec(block, names)
    assert names["model"].optimizer.iterations > 0


def test_the_test_command_is_the_one_that_is_checked():
    command = 'pip install -e ".[test]" && pytest'
    assert command in README
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert 'pip install -q -e ".[test]"\npytest\n' in script


def test_links_lead_somewhere():
    prose = re.sub(r"```.*?```", "", README, flags=re.S)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (ROOT / target).exists(), target
