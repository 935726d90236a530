"""What a task computes beside its training, each part compiled when it is first needed."""

from collections import OrderedDict

import keras
import numpy as np

# Each set of options is compiled apart; a program that tries many of them is to keep few.
_MOST = 16


class CompiledPart(keras.Model):
    """Something that a task does, run in batches and compiled as Keras does it for `predict`.

    Args:
        task: the model whose layers it uses.
    """

    def __init__(self, task):
        # Options stay in float32, and states in what the task computes in.
        super().__init__(name=type(self).__name__.strip("_").lower(), autocast=False)
        self._task = task
        self.built = True


class CompiledParts:
    """The parts of a task; no layer, so that Keras does not count them to it.

    Args:
        task: the model.
    """

    def __init__(self, task):
        self._task = task
        # With each part what its key names by identity: another thing is not to get its number.
        self._parts: OrderedDict[tuple, tuple[CompiledPart, list]] = OrderedDict()

    def get(self, kind: type[CompiledPart], *options) -> CompiledPart:
        """Returns a part, the one that was made before if there is one with these options.

        Args:
            kind: its class.
            *options: what its constructor takes behind the task: numbers, which are compared by
                value, and objects, which are compared by identity, and their attributes likewise,
                as what was compiled holds those that the object had; but those that begin with an
                underscore, which are the object's own affair.
        """
        held: list = []
        key = (kind, *(_key(option, held) for option in options))
        if key not in self._parts:
            self._parts[key] = kind(self._task, *options), held
        self._parts.move_to_end(key)
        if len(self._parts) > _MOST:
            self._parts.popitem(last=False)
        return self._parts[key][0]


def _key(option, held: list):
    """Returns what an option is compared by; what that names by identity is put into `held`."""
    attributes = sorted(getattr(option, "__dict__", {}).items())
    public = [value for name, value in attributes if not name.startswith("_")]
    return tuple(_value(one, held) for one in (option, *public))


def _value(thing, held: list):
    if thing is None or isinstance(thing, (int, float, str)):
        return thing
    if isinstance(thing, (list, tuple)):
        return tuple(_value(one, held) for one in thing)
    if isinstance(thing, np.ndarray):
        return thing.shape, thing.dtype.str, thing.tobytes()
    held.append(thing)
    return id(thing)
