"""Trainings that are cut off and go on: run by test_training_state.py, in a process of its own.

    python interrupted_training.py sigkill FOLDER MOMENT     trains, and kills itself at a moment
    python interrupted_training.py exception FOLDER AVERAGE DTYPE
                                                             is cut off at many moments in turn
    python interrupted_training.py compare FOLDER            goes on, and compares with a whole one

A moment is `batch:N`, the end of the N-th batch of the process; `write:N`, the midst of the N-th
writing of the state; or `rename:N`, between writing and renaming.
"""

import os
import signal
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import rewinder  # noqa: E402

import textlstm  # noqa: E402
from textlstm.cells import LSTMCell  # noqa: E402
from textlstm.tasks import cosine_schedule  # noqa: E402

TEXTS = [f"{word} {i} " + "and so on " * (i % 2) for i in range(24) for word in ("yes", "no")]
LABELS = [text.split()[0] for text in TEXTS]
TOKENIZER = textlstm.SentencePieceTokenizer.train(TEXTS, vocabulary_size=60)
EPOCHS, BATCHES = 4, 8


class CutOff(BaseException):
    """What stands for the end of a process, within one."""


def raise_cut_off():
    raise CutOff


def kill_process():
    os.kill(os.getpid(), signal.SIGKILL)


class CutOffAt(keras.callbacks.Callback):
    """Ends the training at a moment."""

    def __init__(self, moment, end):
        super().__init__()
        self.kind, number = moment.split(":")
        self.left, self.end = int(number), end

    def count(self, kind):
        if kind == self.kind:
            self.left -= 1
            if not self.left:
                self.end()

    def on_train_batch_end(self, batch, logs=None):
        self.count("batch")


@cache
def make_model(dtype):
    """Makes the model, and what sets it back to its beginning; to trace it anew takes longer."""
    keras.utils.set_random_seed(7)
    cell = LSTMCell(4, recurrent_dropout=0.2, zoneout=0.1, dtype=dtype)
    model = textlstm.TextClassifier(
        TOKENIZER, ["no", "yes"], cell=cell, bidirectional=False, embedding_dim=4, dtype=dtype
    )
    rate = cosine_schedule(0.02, EPOCHS * BATCHES, warmup=0.2)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), label_smoothing=0.1)
    return model, rewinder(model)


def train(folder=None, *, average=None, dtype=None, minutes=0.0, cut_off=None):
    """Trains, or goes on; every random draw and everything that is counted has a part in it."""
    model, rewind = make_model(dtype)
    rewind()
    savez, replace = np.savez, os.replace
    if cut_off is not None:

        def savez_cut_off(file, **arrays):
            file.write(b"half of it")
            cut_off.count("write")
            file.seek(0)
            savez(file, **arrays)

        def replace_cut_off(partial, path):
            cut_off.count("rename")
            replace(partial, path)

        np.savez, os.replace = savez_cut_off, replace_cut_off
    try:
        model.fit(
            TEXTS,
            LABELS,
            batch_size=6,
            epochs=EPOCHS,
            validation_split=0.2,
            early_stopping=3,
            average_weights=average,
            class_weight={"no": 2.0},
            callbacks=[cut_off] if cut_off else None,
            checkpoint=folder,
            checkpoint_minutes=minutes,
            verbose=0,
        )
    except CutOff:
        return None
    finally:
        np.savez, os.replace = savez, replace
    variables = (*model.variables, *model.optimizer.variables)
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def check_same(expected, got):
    """Compares bit by bit."""
    assert len(expected) == len(got)
    for one, other in zip(expected, got):
        np.testing.assert_array_equal(one, other)


def main():
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    mode, folder, *rest = sys.argv[1:]
    if mode == "sigkill":
        train(folder, average=0.9, cut_off=CutOffAt(rest[0], kill_process))
        sys.exit("was not killed")
    elif mode == "compare":
        check_same(train(average=0.9), train(folder, average=0.9))
    else:
        options = {"average": float(rest[0]) or None, "dtype": rest[1]}
        whole = train(**options)
        cut_offs = 0
        # Every batch kept; then every epoch only, each cut off in its midst.
        for number, (minutes, moments) in enumerate(
            [(0.0, ["batch:3", "write:7", "rename:1"]), (1e6, ["batch:9"])]
        ):
            place = Path(folder, str(number))
            for moment in moments:
                cut_off = CutOffAt(moment, raise_cut_off)
                cut_offs += train(place, minutes=minutes, cut_off=cut_off, **options) is None
            check_same(whole, train(place, minutes=minutes, **options))
        check_same(whole, train(place, minutes=minutes, **options))  # it had ended
        assert cut_offs == 4
    print("same")


main()
