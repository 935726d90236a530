"""What a training needs to go on after it was cut off."""

import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from textlstm.errors import InputError
from textlstm.tasks.weight_average import WeightAverage


class TrainingState(keras.callbacks.Callback):
    """Keeps the state of a training on disk, and brings it back.

    The state is all that decides what the next step does: the weights, the optimizer's variables,
    the random states of the layers, the place in the shuffle, the moving average of the weights,
    and what early stopping has counted, the best weights included. Keras's `BackupAndRestore` keeps
    the first two.

    It is kept after each epoch, and within a long one every so many minutes. It is one file,
    written beside its place and renamed: a training that is killed at any moment, also while it
    writes, leaves a whole one.

    It must come last in the list of callbacks.

    Args:
        folder: where the state is kept, as `training.npz`.
        model: the model that is fitted.
        batches: what it is fitted on. Its `epoch`, if it has one as `BucketedBatches` does, is set.
        minutes: how often the state is also kept within an epoch, of batches that have an `epoch`.
            The epoch that goes on passes over the batches that were done, for which callbacks get
            empty logs; its figures are of the rest alone.
        stoppings: the `keras.callbacks.EarlyStopping`s among the callbacks.
        average: the `WeightAverage` among the callbacks, or `None`.
    """

    def __init__(
        self,
        folder,
        model,
        batches,
        *,
        minutes: float,
        stoppings: Sequence[keras.callbacks.EarlyStopping] = (),
        average: WeightAverage | None = None,
    ):
        super().__init__()
        self.path = Path(folder) / "training.npz"
        self._owner = model
        self._batches = batches
        self._seconds = 60 * minutes
        self._stoppings = tuple(stoppings)
        self._average = average
        # What each early stopping had counted, and its best weights.
        self._counted: list[tuple[dict, list[np.ndarray] | None]] = []
        self._first_step = 0  # of the epoch at hand: more than 0 where it was cut off

    # === Bring back ===

    def restore(self) -> int:
        """Brings back what the folder holds.

        Returns:
            The epoch to begin with, or to go on with: 0 if there is nothing to bring back.

        Raises:
            InputError: if what is there cannot be read, or belongs to another training.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                state = json.loads(str(file["state"]))
                arrays = {
                    part: [file[f"{part}{i}"] for i in range(count)]
                    for part, count in state["counts"].items()
                }
        except FileNotFoundError:
            return 0
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self.path}: cannot be read as the state of a training; remove it to begin anew"
            ) from error
        parts = self._variables()
        same = (self._average is not None) == ("average" in arrays)
        same = same and len(self._stoppings) == len(state["stoppings"])
        for part, variables in parts.items():
            shapes = [tuple(variable.shape) for variable in variables]
            same = same and shapes == [array.shape for array in arrays[part]]
        if not same:
            raise InputError(
                f"{self.path}: the training kept there was of another model, optimizer, average or "
                "early stopping; give the same arguments as then, or another folder"
            )
        for part, variables in parts.items():
            for variable, array in zip(variables, arrays[part]):
                variable.assign(array)
        if self._average is not None:
            self._average.set_state(arrays["average"], **state["average"])
        self._counted = [
            (counts, arrays.get(f"best{n}_")) for n, counts in enumerate(state["stoppings"])
        ]
        self._first_step = state["steps_done"]
        return sys.maxsize if state["stopped"] else state["epochs_done"]

    @contextmanager
    def training(self) -> Iterator[None]:
        """Leaves the model with its own training step, however the training ends."""
        try:
            yield
        finally:
            if self._first_step:
                self._owner.train_function = None  # Keras makes it anew

    def on_train_begin(self, logs=None):
        """Sets early stopping back to what it had counted; it forgets that when fit begins."""
        self._saved_at = time.monotonic()
        for stopping, (counts, best_weights) in zip(self._stoppings, self._counted):
            for name, value in counts.items():
                setattr(stopping, name, value)
            stopping.best_weights = best_weights

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the place in the shuffle, which counts on by itself only roughly."""
        self._epoch = epoch
        if hasattr(self._batches, "epoch"):
            self._batches.epoch = epoch
        if self._first_step:
            _pass_over(self._owner, self._first_step)

    # === Keep ===

    def on_train_batch_end(self, batch, logs=None):
        """Keeps the state in the midst of an epoch, if it is time."""
        is_time = time.monotonic() - self._saved_at >= self._seconds
        if is_time and logs and hasattr(self._batches, "epoch") and batch + 1 < len(self._batches):
            self._save(epochs_done=self._epoch, steps_done=batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the state between two epochs."""
        self._first_step = 0
        self._save(epochs_done=epoch + 1, steps_done=0)

    def _save(self, epochs_done: int, steps_done: int) -> None:
        _ = self.model  # under JAX this puts the weights of the last step into the variables
        arrays = {part: [_exact(v) for v in group] for part, group in self._variables().items()}
        state = {
            "epochs_done": epochs_done,
            "steps_done": steps_done,
            # By early stopping; what another callback stopped, out of time, is to go on.
            "stopped": any(stopping.stopped_epoch > 0 for stopping in self._stoppings),
            "stoppings": [],
        }
        if self._average is not None:
            arrays["average"] = self._average.get_state()
            state["average"] = self._average.get_counts()
        for n, stopping in enumerate(self._stoppings):
            best = None if stopping.best is None else float(stopping.best)
            counts = {"wait": stopping.wait, "best": best, "best_epoch": stopping.best_epoch}
            state["stoppings"].append(counts)
            if stopping.best_weights is not None:
                arrays[f"best{n}_"] = [_exact(weight) for weight in stopping.best_weights]
        state["counts"] = {part: len(group) for part, group in arrays.items()}
        named = {f"{part}{i}": a for part, group in arrays.items() for i, a in enumerate(group)}

        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with open(partial, "wb") as file:
            np.savez(file, state=json.dumps(state), **named)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path)
        self._saved_at = time.monotonic()

    def _variables(self) -> dict[str, list]:
        """Returns the variables to keep; the model's include the seeds that dropout counts from."""
        return {"model": self._owner.variables, "optimizer": self._owner.optimizer.variables}


def _pass_over(model, batches: int) -> None:
    """Puts in the place of the model's training step one that takes `batches` and does nothing.

    Then the model gets its own step back. The batches of an epoch cannot just begin later: Keras
    counts on as many in every epoch, and where TensorFlow's run out before, the step that finds
    none has counted the optimizer and the seeds on already.
    """
    train_step = model.train_function
    left = batches

    def pass_over(*arguments):  # (iterator); with torch (batches); with JAX (state, batches)
        nonlocal left
        left -= model.steps_per_execution
        if left <= 0:
            model.train_function = train_step
        if hasattr(arguments[-1], "__next__"):
            for _ in range(model.steps_per_execution):
                next(arguments[-1])
        return ({}, arguments[0]) if len(arguments) == 2 else {}

    model.train_function = pass_over


def _exact(values) -> np.ndarray:
    """Returns values as an array that `np.savez` can keep, which bfloat16 is not."""
    array = np.asarray(keras.ops.convert_to_numpy(values))
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
