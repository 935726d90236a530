"""States that a recurrent layer goes on with from one batch to the next."""

import keras
from keras import ops

from textlstm.errors import InputError


class CarriedStates(keras.layers.Layer):
    """Holds the states that a recurrent layer ended a batch with, for the next one.

    There is room for them as long as a training needs it: one set for batches that are trained on,
    one for those that are validated on. They are no part of what a model saves.

    Args:
        shapes: of the states, `(layers, size)` each.
        **kwargs: `name`, `dtype` of a Keras layer.
    """

    def __init__(self, shapes, **kwargs):
        super().__init__(**kwargs)
        self._shapes = [tuple(shape) for shape in shapes]
        self._sets: dict[bool, list] = {}
        self.built = True

    def make_room(self, training: bool, batch_size: int) -> None:
        """Adds a set of states, zeros.

        Args:
            training: whether it is for batches that are trained on.
            batch_size: rows of each of them.
        """
        self._sets[training] = [
            self.add_weight(
                name=f"{'training' if training else 'validation'}_{index}",
                shape=(batch_size, *shape),
                initializer="zeros",
                trainable=False,
            )
            for index, shape in enumerate(self._shapes)
        ]

    def has_room(self, training: bool) -> bool:
        """Says whether there is a set for such batches."""
        return training in self._sets

    def take_away(self, training: bool) -> None:
        """Takes a set away.

        Args:
            training: whether it is the one for batches that are trained on.
        """
        for state in list(self._sets.pop(training)):
            self._untrack_variable(state)

    def read(self, training: bool, keep) -> list:
        """Returns a set of states, `[batch, layers, size]` each.

        Args:
            training: which set.
            keep: float `[batch, 1]`, 0 for the rows that begin anew, else 1.
        """
        keep = ops.cast(keep, self.compute_dtype)[:, :, None]
        return [
            ops.cast(state, self.compute_dtype) * keep for state in self._set_for(training, keep)
        ]

    def write(self, training: bool, states) -> None:
        """Keeps a set of states for the next batch; no gradient goes through them."""
        for kept, state in zip(self._set_for(training, states[0]), states, strict=True):
            kept.assign(ops.cast(ops.stop_gradient(state), kept.dtype))

    def _set_for(self, training: bool, rows) -> list:
        """Returns a set that has as many rows.

        Before a training Keras asks for the shapes of a validation on a batch of the training.
        """
        sets = [self._sets[training]] if training in self._sets else []
        sets += self._sets.values()
        batch = rows.shape[0]
        for states in sets:
            if batch is None or states[0].shape[0] == batch:
                return states
        raise InputError(
            f"there is no room for carried states of {batch} rows; give such batches to `fit` or "
            "`evaluate` of the language model, which make it"
        )

    def save_own_variables(self, store):
        """Saves nothing."""

    def load_own_variables(self, store):
        """Loads nothing."""
