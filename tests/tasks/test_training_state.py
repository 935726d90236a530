"""A training that is cut off at any moment and goes on ends as if it had not been, bit for bit."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from textlstm import InputError
from textlstm.cells import LSTMCell
from textlstm.tasks import WeightAverage

SCRIPT = Path(__file__).with_name("interrupted_training.py")


def run(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("average", "dtype"), [(0.0, "float32"), (0.9, "mixed_float16")])
def test_cut_off_at_many_moments(tmp_path, average, dtype):
    done = run("exception", tmp_path, average, dtype)
    assert done.stdout == "same\n", done.stderr
    assert "ran out of data" not in done.stderr


def test_killed_in_an_epoch_and_while_writing(tmp_path):
    for moment in ("batch:11", "write:3"):
        assert run("sigkill", tmp_path, moment).returncode == -9
        assert (tmp_path / "training.npz").is_file()
    done = run("compare", tmp_path)
    assert done.stdout == "same\n", done.stderr


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"units": 9}),
        ({}, {"average_weights": 0.9}),
        ({"average_weights": 0.9}, {}),
    ],
)
def test_what_belongs_to_another_training_is_refused(make_classifier, tmp_path, first, second):
    def train(average_weights=None, **options):
        make_classifier(**options).fit(
            ["one", "two"] * 4,
            ["negative", "positive"] * 4,
            epochs=1,
            validation_split=0,
            average_weights=average_weights,
            checkpoint=tmp_path,
            verbose=0,
        )

    train(**first)
    with pytest.raises(InputError, match="was of another model, optimizer, average or early"):
        train(**second)


def test_early_stopping_is_kept_without_validation_and_epochs_may_begin_later(
    make_classifier, tmp_path
):
    def train(epochs, **options):
        stopping = keras.callbacks.EarlyStopping(monitor="loss")
        history = make_classifier().fit(
            ["one", "two"] * 4,
            [0, 1] * 4,
            epochs=epochs,
            validation_split=0,
            checkpoint=tmp_path,
            callbacks=stopping,
            verbose=0,
            **options,
        )
        return history.epoch, stopping.best

    epochs, best = train(3, initial_epoch=2)
    assert epochs == [2]
    assert train(3) == ([], best)


def test_what_another_callback_stopped_goes_on(make_classifier, tmp_path):
    class OutOfTime(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    def train(*callbacks):
        options = {"epochs": 3, "validation_split": 0, "checkpoint": tmp_path, "verbose": 0}
        data = ["one", "two"] * 4, [0, 1] * 4
        return make_classifier().fit(*data, callbacks=callbacks, **options).epoch

    assert train(OutOfTime()) == [0]
    assert train() == [1, 2]
    assert train() == []


def test_an_average_among_the_callbacks_is_kept_too(make_classifier, tmp_path):
    def train(epochs, folder):
        keras.utils.set_random_seed(1)
        model = make_classifier()
        options = {"validation_split": 0, "checkpoint": tmp_path / folder, "verbose": 0}
        data = ["one", "two", "three", "four"] * 8, [0, 1] * 16
        model.fit(*data, epochs=epochs, callbacks=[WeightAverage(0.9)], batch_size=8, **options)
        return model

    train(1, "cut")
    again, whole = train(3, "cut"), train(3, "whole")
    keras.tree.map_structure(
        np.testing.assert_array_equal, again.get_weights(), whole.get_weights()
    )
    with pytest.raises(InputError, match="steps_per_epoch does not go with checkpoint"):
        again.fit(["a", "b"], [0, 1], checkpoint=tmp_path / "new", steps_per_epoch=1)
    with pytest.raises(InputError, match="two averages of the weights"):
        again.fit(["a", "b"], [0, 1], callbacks=[WeightAverage(0.9)], average_weights=0.9)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 half"])
def test_a_broken_state_is_named(make_classifier, tmp_path, content):
    (tmp_path / "training.npz").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as the state of a training"):
        make_classifier().fit(["one", "two"], [0, 1], checkpoint=tmp_path, verbose=0)


def test_the_state_is_kept_where_no_leftover_is(make_classifier, tmp_path):
    cell = LSTMCell(4, recurrent_initializer="glorot_uniform", dtype="bfloat16")
    model = make_classifier(cell=cell, dtype="bfloat16")
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(["one", "two"] * 4, [0, 1] * 4, epochs=1, checkpoint=tmp_path, verbose=0)
    assert [path.name for path in tmp_path.iterdir()] == ["training.npz"]
    with np.load(tmp_path / "training.npz") as state:
        assert state["model0"].dtype == np.float32
