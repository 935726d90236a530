"""Noise on the states of a cell while training: recurrent dropout and zoneout."""

import itertools
import numbers

import keras
from keras import ops

from textlstm.cells.cell import Cell


class NoisyCell(Cell):
    """A cell whose states are disturbed while training.

    With the states `s_t`, of which the first is the hidden state `h_t`, and a subclass that tells
    the states `s̃_t` of an undisturbed step (`next_states`):

    - Recurrent dropout: the products of the recurrence see `m ⊙ h_{t-1} / (1 - p)` for `h_{t-1}`,
      with a mask `m` of zeros (with probability p) and ones. A row has one mask for all its steps.
      What a step keeps of a state without a product stays whole.
    - Zoneout: `s_t = d_t ⊙ s_{t-1} + (1 - d_t) ⊙ s̃_t`, with masks `d_t` of ones (with probability
      q) and zeros, drawn anew at every step for every state. When not training, `d_t` is its
      expectation q.

    All masks are drawn before the loop over time (`add_noise`) and travel beside the projected
    inputs, because the body of a loop may not update the state of a random generator.
    `keras.layers.RNN` knows no such half of a step: in it every step draws its own recurrent
    dropout mask, and under JAX it cannot train a cell with noise. `textlstm.layers.RNN` does both
    right.

    Args:
        recurrent_dropout: p, the share of `h_{t-1}` that is dropped, in [0, 1); default 0.
        zoneout: q, the share of each state that keeps its value, in [0, 1); default 0. One number
            for all states, or one for each: `(h, c)` for an LSTM.
        seed: int that the masks follow from; random by default.
        **kwargs: `name`, `dtype`, `trainable` of a Keras layer.

    Raises:
        ValueError: if a rate is not in [0, 1), or `zoneout` has another length than the states.

    References:
        - Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
          Networks, NIPS 2016 (one mask for all steps).
        - Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations,
          ICLR 2017.
    """

    state_names: tuple[str, ...] = ("h",)

    def __init__(self, *, recurrent_dropout: float = 0.0, zoneout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        per_state = isinstance(zoneout, (list, tuple))
        if per_state and len(zoneout) != len(self.state_names):
            raise ValueError(
                f"Argument `zoneout` of {type(self).__name__} must be one number, or one for each "
                f"of its states ({', '.join(self.state_names)}). Received: zoneout={zoneout!r}"
            )
        self.recurrent_dropout = self._rate("recurrent_dropout", recurrent_dropout)
        if per_state:
            self.zoneout = tuple(self._rate("zoneout", rate) for rate in zoneout)
        else:
            self.zoneout = self._rate("zoneout", zoneout)
        self.zoneout_rates = self.zoneout if per_state else (self.zoneout,) * len(self.state_names)
        self.seed = seed
        self.draws_masks = bool(self.recurrent_dropout or any(self.zoneout_rates))
        self.seed_generator = keras.random.SeedGenerator(seed) if self.draws_masks else None

    def next_states(self, projected, recalled, states) -> list:
        """Computes the states after an undisturbed step.

        Args:
            projected: what `project_inputs` gave for this step.
            recalled: the states as the products of the recurrence see them, after dropout.
            states: the states before the step, for what is kept of them without a product.

        Returns:
            The new states, a list like `states`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `next_states`.")

    def add_noise(self, projected, training: bool = False):
        """Appends the masks to the projected inputs; nothing where there is no noise.

        Args:
            projected: what `project_inputs` gave, `[batch, (time,) size]`.
            training: whether the step is part of training.

        Returns:
            `[batch, (time,) size + sizes of the masks]`, or `projected`.
        """
        if not (training and self.draws_masks):
            return projected
        *leading, _ = ops.shape(projected)  # [batch] or [batch, time]
        masks = []
        if self.recurrent_dropout:
            row = [leading[0]] + [1] * len(leading[1:]) + [self.state_size[0]]
            keep = 1 - self.recurrent_dropout
            mask = self._draw(row, keep, projected.dtype) / keep
            masks.append(ops.broadcast_to(mask, [*leading, self.state_size[0]]))
        if any(self.zoneout_rates):
            for size, rate in zip(self.state_size, self.zoneout_rates):
                masks.append(self._draw([*leading, size], rate, projected.dtype))
        return ops.concatenate([projected, *masks], axis=-1)

    def step(self, projected, states, training: bool = False):
        """Computes `h_t` and the new states, disturbed when training.

        Args:
            projected: what `add_noise` gave for this step.
            states: list of tensors `[batch, size]`.
            training: whether the step is part of training.

        Returns:
            `(h_t, new_states)`, `[batch, output_size]` and a list like `states`.
        """
        dropout_mask, kept = None, self.zoneout_rates
        if training and self.draws_masks:
            projected, dropout_mask, kept = self._split_noise(projected)
        recalled = list(states)
        if dropout_mask is not None:
            recalled[0] = dropout_mask * states[0]
        new_states = self.next_states(projected, recalled, states)
        if any(self.zoneout_rates):
            new_states = [d * old + (1 - d) * new for d, old, new in zip(kept, states, new_states)]
        return new_states[0], new_states

    def _rate(self, name: str, value) -> float:
        """Returns a rate as a float, once it is known to be one."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < 1:
            raise ValueError(
                f"Argument `{name}` of {type(self).__name__} must be in [0, 1). "
                f"Received: {name}={value!r}"
            )
        return float(value)

    def _draw(self, shape, rate: float, dtype):
        """Draws ones with probability `rate`, zeros else."""
        # In float32: a half-precision uniform number is too coarse for a rate.
        uniform = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(uniform < rate, dtype)

    def _split_noise(self, projected) -> tuple:
        """Takes apart what `add_noise` put together: projected, dropout mask, zoneout masks."""
        sizes = [self.state_size[0]] if self.recurrent_dropout else []
        sizes += self.state_size if any(self.zoneout_rates) else []
        sizes = [projected.shape[-1] - sum(sizes), *sizes]
        projected, *masks = ops.split(projected, list(itertools.accumulate(sizes))[:-1], axis=-1)
        dropout_mask = masks.pop(0) if self.recurrent_dropout else None
        return projected, dropout_mask, masks

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "recurrent_dropout": self.recurrent_dropout,
            "zoneout": self.zoneout,
            "seed": self.seed,
        }
