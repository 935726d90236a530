"""The recipe that shows memories: its tasks, its measures, and a short run of it."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from recipe_runner import RECIPES, Recipe

import textlstm

sys.path.insert(0, str(RECIPES))
import memory  # noqa: E402

matplotlib = pytest.importorskip("matplotlib", reason="an extra: plots")


def test_recall_asks_for_the_letter_with_the_mark():
    inputs, answers = memory.make_recall(7, 200, np.random.default_rng(0))
    vectors, marks = inputs[..., :-1], inputs[..., -1]
    distances = np.abs(vectors[:, :, None] - memory.VECTORS).sum(axis=-1)  # [200, 9, letters]
    letters = distances.argmin(axis=-1)
    np.testing.assert_array_equal(distances.min(axis=-1), 0)
    np.testing.assert_array_equal(letters[:, 0], answers[:, 0])
    np.testing.assert_array_equal(marks, np.eye(9)[:1].repeat(200, axis=0))
    assert set(letters[:, 1:-1].ravel()) == set(range(26))  # those behind are of the same kinds
    assert (letters[:, -1] == 26).all()


def test_copying_asks_for_all_symbols_behind_the_gap():
    inputs, answers = memory.make_copy(4, 50, np.random.default_rng(0))
    assert inputs.shape == (50, 24, 10) and answers.shape == (50, 10)
    symbols = inputs.argmax(axis=-1)
    np.testing.assert_array_equal(symbols[:, :10], answers)
    assert (symbols[:, 10:14] == 8).all() and (symbols[:, 14:] == 9).all()


def test_adding_asks_for_the_sum_of_the_marked_numbers():
    inputs, answers = memory.make_adding(10, 50, np.random.default_rng(0))
    numbers, marks = inputs[..., 0], inputs[..., 1]
    np.testing.assert_array_equal(marks[:, :5].sum(axis=1), 1)
    np.testing.assert_array_equal(marks[:, 5:].sum(axis=1), 1)
    np.testing.assert_allclose((numbers * marks).sum(axis=1), answers[:, 0, 0], rtol=1e-6)
    always_one = np.ones_like(answers)
    many = memory.make_adding(10, 20_000, np.random.default_rng(1))[1]
    chance = memory.squared_error(many, np.ones_like(many))
    assert memory.squared_error(answers, always_one) < 0.4
    assert chance == pytest.approx(memory.TASKS["adding"].chance, rel=0.03)


@pytest.mark.parametrize("kind", memory.CELLS)
def test_all_networks_have_as_many_parameters(kind):
    wanted = memory.parameters_of("LSTM, forget bias 1", 32, 16)
    units = memory.units_for(kind, 32, 16)
    assert memory.parameters_of(kind, units, 16) == pytest.approx(wanted, rel=0.03)


def test_the_gradient_of_a_linear_network_shrinks_by_its_radius():
    layer = textlstm.SimpleRNN(3, activation="linear", return_sequences=True)
    layer.build((None, None, 3))
    layer.set_weights([np.eye(3), 0.5 * np.eye(3), np.zeros(3)])
    norms = memory.gradient_norms(layer, np.zeros((2, 5, 3), "float32"))
    np.testing.assert_allclose(norms, 0.5 ** np.arange(4, -1, -1), rtol=1e-5)


def test_the_recipe_prints_tables_and_writes_figures(tmp_path, monkeypatch, capsys):
    options = ["--gaps", "2", "--steps", "60", "--units", "8", "--learning-rate", "0.02"]
    output = tmp_path / "figures"
    assert Recipe("memory").run_here(monkeypatch, *options, "--output", output) == 0
    told = capsys.readouterr().out
    for kind in memory.CELLS:
        assert (
            len(re.findall(rf"^{kind} ", told, re.M)) == 3
        )  # gradients before, accuracy, gradients after
    (score,) = re.findall(r"^LSTM, forget bias 1 +8 +[\d,]+ +([\d.]+)", told, re.M)
    assert float(score) > 0.3  # chance is 0.125
    assert {path.name: path.stat().st_size > 5000 for path in output.iterdir()} == {
        "gradients_before.png": True,
        "gradients_after.png": True,
        "spectral_radius.png": True,
        "recall.png": True,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gaps", "1"], "--gaps must be at least 2; got 1"),
        (["--output", Path(__file__)], "is a file; give a folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(options, message, monkeypatch, capsys):
    assert Recipe("memory").run_here(monkeypatch, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
