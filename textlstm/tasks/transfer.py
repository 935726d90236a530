"""How a classifier that began as a language model is trained: from the top down, gently below."""

from collections.abc import Mapping

import keras

from textlstm.errors import InputError
from textlstm.tasks.adam import Adam


@keras.saving.register_keras_serializable(package="textlstm")
class DiscriminativeAdam(Adam):
    """Adam with learning rates that differ from weight to weight; see `discriminative_adam`.

    Args:
        learning_rate: as of `keras.optimizers.Adam`.
        factors: what the rate is multiplied by, by the paths of the variables; of others 1.
        **kwargs: of `keras.optimizers.Adam`.

    Raises:
        InputError: when it is built, if the factors are of another model.
    """

    def __init__(self, learning_rate=1e-3, factors: Mapping[str, float] | None = None, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.factors = dict(factors or {})

    def build(self, variables):
        """Makes the moments of the variables, and finds their factors."""
        super().build(variables)
        paths = [variable.path for variable in variables]
        models, own = ({p.split("/")[0] for p in named} for named in (self.factors, paths))
        if models and own and not models & own:
            raise InputError(
                f"the optimizer's factors are of another model, whose weights are named as "
                f"{next(iter(self.factors))!r}; this one's as {paths[0]!r}: make one for this model"
            )
        self._by_index = [self.factors.get(path, 1.0) for path in paths]

    def update_step(self, gradient, variable, learning_rate):
        """Updates one weight."""
        factor = self._by_index[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "factors": self.factors}


def discriminative_adam(
    model, learning_rate=4e-3, *, decay: float = 1.6, **kwargs
) -> DiscriminativeAdam:
    """Makes an Adam whose rate is lower the nearer a layer is to the text.

    Of the layer that is l below the top the rate is

        rate / decay^l

    for what lies near the text is what a language model knows of any text.

    Args:
        model: a classifier (`layer_groups` tells its layers).
        learning_rate: of the top, a number or a schedule; default 4e-3.
        decay: default 1.6; in the paper 2.6.
        **kwargs: of `keras.optimizers.Adam`; `global_clipnorm` is 1 by default.

    Raises:
        InputError: if `decay` is below 1.

    References:
        - Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018.
    """
    if not decay >= 1:
        raise InputError(f"decay must be 1 or more; got {decay!r}")
    factors = {
        variable.path: decay**-below
        for below, group in enumerate(model.layer_groups)
        for variable in group
    }
    return DiscriminativeAdam(learning_rate, factors, **{"global_clipnorm": 1.0, **kwargs})


class GradualUnfreezing(keras.callbacks.Callback):
    """Trains the top of a classifier first, and lets one layer more join in after every epoch.

    The layers below rest until what is new, at the top, has learned something: its first gradients
    would spoil them. An epoch in which layers rest is faster, too, as nothing is computed for them.
    At the end of the training all layers are free. What did not train before it, does not in it.

    Args:
        epochs: the epochs after which the next layer joins in; default 1. A list says for each
            layer, from the second on, the epoch, counted from 0, with which it joins in.

    Raises:
        InputError: if `epochs` is below 1, or the list does not grow.

    References:
        - Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018.
    """

    def __init__(self, epochs: int | list[int] = 1):
        super().__init__()
        starts = [0, *epochs] if isinstance(epochs, list) else [0, epochs]
        if any(later <= earlier for earlier, later in zip(starts, starts[1:])):
            raise InputError(
                f"layers join in after 1 or more epochs, one after the other; got {epochs!r}"
            )
        self.epochs = epochs
        self._free = 0
        self._frozen = frozenset()

    def free_from(self, model) -> int:
        """Returns the epoch, counted from 0, from which all layers of a model train."""
        rest = len(model.layer_groups) - 1
        if not isinstance(self.epochs, list):
            return rest * self.epochs
        return self.epochs[min(rest, len(self.epochs)) - 1] if self.epochs and rest else 0

    def on_train_begin(self, logs=None):
        """Refuses a backend whose optimizers cannot do it."""
        if keras.backend.backend() == "jax":
            raise InputError(
                "gradual unfreezing needs the TensorFlow or the torch backend: JAX's optimizers "
                "hold one set of weights; freeze layers, fit, and compile anew instead"
            )
        self._free = 0
        # By their paths: a variable has no other hash.
        self._frozen = frozenset(v.path for v in self.model.weights if not v.trainable)

    def on_epoch_begin(self, epoch, logs=None):
        """Lets those layers train whose turn it is."""
        groups = self.model.layer_groups
        if isinstance(self.epochs, list):
            free = 1 + sum(epoch >= start for start in self.epochs)
        else:
            free = 1 + epoch // self.epochs
        free = min(free, len(groups))
        if free == self._free:
            return
        self._set_trainable(groups, free)
        # Keras has traced a step that trains others.
        self.model.make_train_function(force=True)

    def on_train_end(self, logs=None):
        """Lets all layers train."""
        if not self._free:  # it was not asked yet
            return
        groups = self.model.layer_groups
        self._set_trainable(groups, len(groups))
        self.model.train_function = None

    def _set_trainable(self, groups, free: int) -> None:
        for number, group in enumerate(groups):
            for variable in group:
                variable.trainable = number < free and variable.path not in self._frozen
        rest = {variable.path for group in groups[free:] for variable in group}
        self.model.resting = frozenset(rest - self._frozen)
        self._free = free
