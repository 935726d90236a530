"""The moving average of the weights over a training."""

import keras
import numpy as np
from keras import ops

from textlstm.errors import InputError

# So many steps are averaged one by one; of those behind them one in so many.
_EVERY_STEP, _STRIDE = 128, 8


class WeightAverage(keras.callbacks.Callback):
    """Keeps an exponential moving average of the weights, and gives the model to be judged by it.

    After step t (from 0), with weights w:

        m = min(decay, (1 + t) / (10 + t))
        average ← mᵏ · average + (1 − mᵏ) · w                average = w before the first step

    after each of the first 128 steps, with k = 1; from then on after every eighth, with k = 8, for
    weights that lie so close together need not all be read.

    The ratio grows with t, so that the average spans about the last tenth of the steps done until
    it spans 1 / (1 − decay) of them: with a fixed 0.999 the weights at the start of a training of
    1,000 steps would still make up 37 % of their average; so they make up nothing.

    The steps train the raw weights. During validation, at the end of each epoch, and at the end of
    the training the model holds the averages instead: early stopping, checkpoints and whatever
    else looks at the weights then see what was validated. Keras's `use_ema` with `SwapEMAWeights`
    averages with a fixed ratio, and leaves raw weights behind where a training stops early.

    It must come first in the list of callbacks.

    Args:
        decay: the share of the average that stays at each step, in (0, 1), such as 0.999.

    Raises:
        InputError: if `decay` is out of its range.

    References:
        - Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM Journal
          on Control and Optimization 30(4), 1992.
    """

    def __init__(self, decay: float):
        super().__init__()
        if not 0 < decay < 1:
            raise InputError(f"average_weights is a decay, in (0, 1), such as 0.999; got {decay!r}")
        self.decay = decay
        self.steps = 0
        self.model_is_average = False
        # The averages while the model holds the raw weights, and the other way round.
        self._others: list[keras.Variable] | None = None

    def get_state(self) -> list[np.ndarray]:
        """Returns the set of weights that the model does not hold at the moment, float32."""
        return [np.array(ops.convert_to_numpy(other)) for other in self._others]

    def get_counts(self) -> dict:
        """Returns what else decides how it goes on, as JSON can hold it."""
        return {"steps": self.steps, "model_is_average": self.model_is_average}

    def set_state(self, others, *, steps: int = 0, model_is_average: bool = False) -> None:
        """Goes on from what `get_state` and `get_counts` returned."""
        # float32 whatever the weights are: in bfloat16 an average of 0.999 would never move.
        self._others = [keras.Variable(other, dtype="float32", trainable=False) for other in others]
        self.steps = steps
        self.model_is_average = model_is_average

    def on_train_begin(self, logs=None):
        """Begins with the weights as they are, unless it was told how to go on."""
        if self._others is None:
            weights = self.model.trainable_variables
            self.set_state([np.array(ops.convert_to_numpy(w)) for w in weights])

    def on_epoch_begin(self, epoch, logs=None):
        """Gives the model its raw weights back."""
        self._give_model(average=False)

    def on_train_batch_end(self, batch, logs=None):
        """Moves the averages towards the weights."""
        if not logs:  # a batch that a training which goes on passes over
            return
        step = self.steps
        self.steps += 1
        stride = 1 if step < _EVERY_STEP else _STRIDE
        if self.steps % stride == 0:
            self._move(self._share_of_new(step, stride))

    def _share_of_new(self, step: int, stride: int) -> float:
        """Returns how far the averages move towards weights that stand for so many steps."""
        return 1 - min(self.decay, (1 + step) / (10 + step)) ** stride

    def _move(self, share: float) -> None:
        if len(self._others) != len(self.model.trainable_variables):
            raise InputError(
                "weights that rest, and join in later, cannot be averaged; leave out "
                "average_weights, or GradualUnfreezing"
            )
        for weight, average in zip(self.model.trainable_variables, self._others):
            average.assign(average + share * (ops.cast(weight, "float32") - average))

    def on_test_begin(self, logs=None):
        """Gives the model the averages, to be validated."""
        self._give_model(average=True)

    def on_epoch_end(self, epoch, logs=None):
        """Leaves the averages in the model until the next epoch begins, if one does."""
        self._give_model(average=True)

    def on_train_end(self, logs=None):
        """Leaves the averages in the model for good: another training begins with them."""
        self._others, self.steps, self.model_is_average = None, 0, False

    def _give_model(self, average: bool) -> None:
        if self.model_is_average == average:
            return
        for weight, other in zip(self.model.trainable_variables, self._others):
            kept = np.array(ops.convert_to_numpy(weight))  # a copy, also on torch
            weight.assign(ops.cast(other, weight.dtype))
            other.assign(kept)
        self.model_is_average = average


class TriggeredAverage(WeightAverage):
    """Keeps the mean of all weights since the validation loss ceased to fall (NT-ASGD).

    The training goes on with the weights alone until the loss of an epoch is above the lowest that
    was reached `patience` or more epochs before. From then on, with weights w after step t of so
    many:

        average ← average + (w − average) / t

    taken as of `WeightAverage`. Plain SGD with a large, constant rate (30 for a language model)
    then wanders about a minimum, and the mean of where it went lies nearer to it than any of its
    steps. Give it as `average_weights` of a task's `fit`, and `early_stopping=None` or a patience
    well above this one.

    Args:
        patience: the epochs n of the trigger; default 5.

    Raises:
        InputError: if `patience` is below 1.

    References:
        - Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, ICLR 2018.
    """

    def __init__(self, patience: int = 5):
        super().__init__(0.5)  # there is no decay
        if patience < 1:
            raise InputError(f"the patience of the average must be 1 or more; got {patience!r}")
        self.patience = patience
        self.losses: list[float] = []
        self.is_started = False

    def get_counts(self) -> dict:
        """Returns what else decides how it goes on, as JSON can hold it."""
        return {**super().get_counts(), "losses": self.losses, "is_started": self.is_started}

    def set_state(self, others, *, losses=(), is_started: bool = False, **counts) -> None:
        """Goes on from what `get_state` and `get_counts` returned."""
        super().set_state(others, **counts)
        self.losses = list(losses)
        self.is_started = is_started

    def on_train_batch_end(self, batch, logs=None):
        """Moves the averages towards the weights, once it is time."""
        if self.is_started:
            super().on_train_batch_end(batch, logs)

    def _share_of_new(self, step: int, stride: int) -> float:
        return stride / (step + 1)

    def on_epoch_end(self, epoch, logs=None):
        """Begins to average if the validation loss has ceased to fall."""
        super().on_epoch_end(epoch, logs)
        if self.is_started or "val_loss" not in (logs or {}):
            return
        self.losses.append(float(logs["val_loss"]))
        earlier = self.losses[: -self.patience]
        self.is_started = bool(earlier) and self.losses[-1] > min(earlier)

    def on_train_end(self, logs=None):
        """Leaves the averages in the model for good, and begins anew with another training."""
        super().on_train_end(logs)
        self.losses, self.is_started = [], False

    def _give_model(self, average: bool) -> None:
        if self.is_started:
            super()._give_model(average)
