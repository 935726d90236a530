"""What the gates and memories of a model did while it read a text, as arrays."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from keras import ops

from textlstm.cells import GatedCell
from textlstm.insight.compiling import compiled
from textlstm.insight.subjects import MAX_BYTES, Stack, Subject, make_subject
from textlstm.kernels import scan
from textlstm.layers import RNN


@dataclass(frozen=True)
class Trace:
    """All that the cells of stacked recurrent layers did at each step.

    The axes of every array in `gates`, `states` and `before` are `axes`. The steps are in the order
    of the text, in the backward direction too: there the state before a step is the one after the
    token behind it.

    Attributes:
        name: what the layers are in the model: "recurrent", "encoder", "decoder".
        tokens: what was read at each step.
        gates: by the names of the cell (LSTM: "input", "forget", "candidate", "output"; GRU:
            "update", "reset", "candidate"), float32 `[layers, directions, tokens, units]`; none of
            a cell that names no gates.
        states: by their letters ("h", of an LSTM also "c"), after each step, likewise.
        before: the states before each step.
        inputs: what each layer read, float32 `[tokens, features]` for each.
        keep: the gate that says how much of the memory stays ("forget", "update"), or `None`.
    """

    name: str
    tokens: tuple[str, ...]
    gates: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    before: dict[str, np.ndarray]
    inputs: tuple[np.ndarray, ...]
    keep: str | None

    axes = ("layer", "direction", "token", "unit")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Layers, directions, tokens, units."""
        return next(iter((self.gates or self.states).values())).shape


@dataclass(frozen=True)
class Recording:
    """What a model did while it read one text.

    Attributes:
        text: the text.
        tokens: its pieces, as the model read them.
        answers: what the model answers, the likeliest first, and how probable each is: labels, the
            next token, a translation.
        traces: of a classifier or language model one, "recurrent"; of a translator "encoder" and
            "decoder".
        attention: float32 `[targets, steps]`, each row with the sum 1: of a translator, where it
            looked while it said each token; of a classifier with attention pooling one row; else
            `None`.
        targets: the tokens that the rows of `attention` belong to.
    """

    text: str
    tokens: tuple[str, ...]
    answers: dict[str, float]
    traces: dict[str, Trace]
    attention: np.ndarray | None = None
    targets: tuple[str, ...] = ()


def record(
    model,
    text: str | bytes,
    *,
    target: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Recording:
    """Records gates, memories and attention of a model while it reads a text.

    The model runs as it always does, by its fast kernels, and what its cells read is watched; their
    states are computed a second time, step by step, and from these the gates. With T tokens, L
    layers, D directions, G gates and S states of `units` numbers each, a recording takes about
    `4 · T · L · D · units · 2 · (G + S)` bytes while it is made: for one bidirectional LSTM layer
    of 128 units 12 kB a token. Measured on two cores, 2,000 tokens of an LSTM of 512 units took 9
    seconds, and 128 MB of memory at the most.

    Args:
        model: a `TextClassifier`, `LanguageModel` or `Translator`; not changed.
        text: what it reads; what a classifier or translator cuts off is not recorded.
        target: of a translator: the translation that it is to say; default its own.
        max_bytes: the most memory that may be taken; default 1 GiB.

    Returns:
        A `Recording`.

    Raises:
        InputError: if the recording would take more than `max_bytes`, or the model is of another
            kind.

    Example:
        >>> recording = record(textlstm.load("models/sentiment-en"), "A joy from start to finish.")
        >>> forget = recording.traces["recurrent"].gates["forget"]
        >>> forget.shape  # [layers, directions, steps, units]
        (1, 1, 8, 512)
    """
    return record_subject(make_subject(model, text, max_bytes, target=target), text)


def record_subject(subject: Subject, text) -> Recording:
    """Records what `record` does, for a subject that is made already."""
    with _watching(subject.stacks) as observers:
        attention = subject.run()
    traces = {
        stack.name: _trace(stack, watched) for stack, watched in zip(subject.stacks, observers)
    }
    return Recording(
        text=text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
        tokens=subject.tokens,
        answers=dict(subject.answers),
        traces=traces,
        attention=attention,
        targets=getattr(subject, "targets", ()),
    )


@contextmanager
def _watching(stacks: list[Stack]) -> Iterator[list[list["_Observer"]]]:
    """Puts an observer into every recurrent layer, and takes it out again."""
    rnns = [rnn for stack in stacks for rnn in stack.rnns]
    try:
        for rnn in rnns:
            rnn.observer = _Observer(rnn)
        yield [[rnn.observer for rnn in stack.rnns] for stack in stacks]
    finally:
        for rnn in rnns:
            rnn.observer = None


class _Observer:
    """Sees what the cells of a recurrent layer read, and keeps their states at each step."""

    def __init__(self, rnn: RNN):
        self.rnn = rnn
        self.inputs = [[] for _ in rnn.cells]  # of each cell: parts, [steps, features]
        self.before = [[] for _ in rnn.cells]  # of each cell: parts, a list of [steps, size]
        self.after = [[] for _ in rnn.cells]

    def see_sequence(self, index: int, inputs, initial_state, mask, reverse: bool) -> None:
        """Runs a cell over `inputs`, `[1, time, features]`; see `RNN.observer`."""
        if mask is not None:  # of one text, padding stands only behind it
            inputs = inputs[:, : int(ops.sum(ops.cast(mask[0], "int32")))]
        cell = _StatesOf(self.rnn.cells[index])
        run = compiled(
            lambda x, *states: scan(cell, x, list(states), reverse=reverse)[0], len(inputs[0])
        )
        joined = run(inputs, *initial_state)  # [1, time, all sizes]
        first = ops.concatenate(initial_state, axis=-1)[:, None]
        # The state before a step is the one after the step that ran before it.
        order = [joined[:, 1:], first] if reverse else [first, joined[:, :-1]]
        before = ops.concatenate(order, axis=1)
        self._keep(index, inputs[0], cell.split(before[0]), cell.split(joined[0]))

    def see_step(self, index: int, inputs, before, after) -> None:
        """Keeps one step of a cell, `[1, …]`; see `RNN.observer`."""
        self._keep(index, inputs, before, after)

    def _keep(self, index, inputs, before, after) -> None:
        self.inputs[index].append(ops.convert_to_numpy(inputs))
        self.before[index].append([ops.convert_to_numpy(state) for state in before])
        self.after[index].append([ops.convert_to_numpy(state) for state in after])


class _StatesOf:
    """A cell that gives all its states, side by side, as its output."""

    def __init__(self, cell):
        self._cell = cell
        self.state_size = cell.state_size
        self.sizes = list(cell.state_size) if _is_list(cell.state_size) else [cell.state_size]
        self.output_size = sum(self.sizes)
        self.dtype_policy = cell.dtype_policy
        self.compute_dtype = cell.compute_dtype

    def __call__(self, inputs, states, training=False):
        _, states = self._cell(inputs, states)
        states = list(states) if _is_list(states) else [states]
        return ops.concatenate(states, axis=-1), states

    call = __call__

    def split(self, joined) -> list:
        """Takes states apart that stand side by side in the last axis."""
        if len(self.sizes) == 1:
            return [joined]
        return ops.split(joined, list(itertools.accumulate(self.sizes))[:-1], axis=-1)


def _trace(stack: Stack, observers: list[_Observer]) -> Trace:
    """Puts together what the observers of a stack saw, and computes the gates from it."""
    cells = [cell for observer in observers for cell in observer.rnn.cells]
    directions = observers[0].rnn.num_directions
    count = len(stack.tokens)
    inputs, before, after = (
        [_joined(parts, count) for observer in observers for parts in getattr(observer, name)]
        for name in ("inputs", "before", "after")
    )
    names = getattr(cells[0], "state_names", [f"state_{i}" for i in range(len(before[0]))])

    def arrays(per_cell: list[dict]) -> dict[str, np.ndarray]:
        """From a dict of `[tokens, units]` for each cell to `[layers, directions, …]` each."""
        stacked = {name: np.stack([one[name] for one in per_cell]) for name in per_cell[0]}
        return {
            name: np.asarray(array, "float32").reshape(-1, directions, *array.shape[1:])
            for name, array in stacked.items()
        }

    return Trace(
        name=stack.name,
        tokens=stack.tokens,
        gates=arrays([_gates(*three) for three in zip(cells, inputs, before)]),
        states=arrays([dict(zip(names, states)) for states in after]),
        before=arrays([dict(zip(names, states)) for states in before]),
        inputs=tuple(np.asarray(one, "float32") for one in inputs[::directions]),
        keep=next((gate for gate in ("forget", "update") if gate in _names(cells[0])), None),
    )


def _joined(parts: list, count: int) -> np.ndarray | list[np.ndarray]:
    """Puts steps that were seen one by one behind each other; of states, each by itself.

    There may be one step too many in front: Keras's loop tries the first one, for its shapes.
    """
    if isinstance(parts[0], list):
        return [np.concatenate(states)[-count:] for states in zip(*parts)]
    return np.concatenate(parts)[-count:]


def _names(cell) -> tuple[str, ...]:
    return getattr(cell, "gates", ()) if isinstance(cell, GatedCell) else ()


def _gates(cell, inputs, before) -> dict[str, np.ndarray]:
    """Computes the gates at all steps at once: the states before them are known by now."""
    if not _names(cell):
        return {}
    gates = cell.compute_gates(cell.project_inputs(ops.convert_to_tensor(inputs)), before)
    return {name: ops.convert_to_numpy(gate) for name, gate in gates.items()}


def _is_list(value) -> bool:
    return isinstance(value, (list, tuple))
