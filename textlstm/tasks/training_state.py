"""What a training needs to go on after it was cut off."""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from textlstm.errors import InputError


class TrainingState(keras.callbacks.Callback):
    """Keeps the state of a training on disk after each epoch, and brings it back.

    The state is the weights, the optimizer's variables, the random states of the layers, the place
    in the shuffle, and what early stopping has counted, the best weights included: all that decides
    what the next epoch does. Keras's `BackupAndRestore` keeps the first two.

    It must come after the early stopping in the list of callbacks.

    Args:
        folder: where the state is kept, in a folder of its own for the last epoch that ended.
        model: the model that is fitted.
        batches: what it is fitted on; its `epoch`, if it has one as `BucketedBatches` does, is set.
        stopping: the `keras.callbacks.EarlyStopping` among the callbacks, or `None`.
    """

    def __init__(self, folder, model, batches, stopping=None):
        super().__init__()
        self.folder = Path(folder)
        self._owner = model
        self._batches = batches
        self._stopping = stopping
        self._restored = None

    def restore(self) -> int:
        """Brings back what the folder holds.

        Returns:
            The epoch to begin with: 0 if there is nothing to bring back.

        Raises:
            InputError: if what is there belongs to another model.
        """
        saved = self._saved_epochs()
        if not saved:
            return 0
        place = saved[-1]
        self._owner.optimizer.build(self._owner.trainable_variables)
        try:
            self._owner.load_weights(place / "model.weights.h5")
        except (ValueError, KeyError, OSError) as error:
            raise InputError(
                f"{place}: the training kept there was of another model; give the same arguments "
                "as then, or another folder"
            ) from error
        with np.load(place / "random.npz") as arrays:
            for variable, name in zip(self._random_states(), arrays.files):
                variable.assign(arrays[name])
        state = json.loads((place / "state.json").read_text(encoding="utf-8"))
        self._restored = (state, place)
        return sys.maxsize if state["stopped"] else state["epochs_done"]

    def on_train_begin(self, logs=None):
        """Sets early stopping back to what it had counted; it forgets that when fit begins."""
        if self._restored is None or self._stopping is None:
            return
        state, place = self._restored
        self._stopping.wait = state["wait"]
        self._stopping.best = state["best"]
        self._stopping.best_epoch = state["best_epoch"]
        if (place / "best.npz").exists():
            with np.load(place / "best.npz") as arrays:
                self._stopping.best_weights = [arrays[f"w{i}"] for i in range(len(arrays))]

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the place in the shuffle, which counts on by itself only roughly."""
        if hasattr(self._batches, "epoch"):
            self._batches.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state beside that of the epoch before, then removes the latter."""
        earlier = self._saved_epochs()
        partial = self.folder / f".epoch-{epoch + 1}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        self._owner.save_weights(partial / "model.weights.h5")
        np.savez(partial / "random.npz", *(np.array(v) for v in self._random_states()))
        state = {"epochs_done": epoch + 1, "stopped": bool(self._owner.stop_training)}
        stopping = self._stopping
        if stopping is not None:
            best = None if stopping.best is None else float(stopping.best)
            state |= {"wait": stopping.wait, "best": best, "best_epoch": stopping.best_epoch}
            if stopping.best_weights is not None:
                arrays = {f"w{i}": weight for i, weight in enumerate(stopping.best_weights)}
                np.savez(partial / "best.npz", **arrays)
        (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
        place = self.folder / f"epoch-{epoch + 1}"
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)
        for old in earlier:
            if old != place:
                shutil.rmtree(old)

    def _random_states(self) -> list:
        """Returns the variables that are no weights: the seeds that dropout counts on from."""
        weights = {id(weight) for weight in self._owner.weights}
        return [variable for variable in self._owner.variables if id(variable) not in weights]

    def _saved_epochs(self) -> list[Path]:
        """Returns the folders of epochs that were written whole, the last one last."""
        return sorted(self.folder.glob("epoch-*"), key=lambda path: int(path.name[6:]))
