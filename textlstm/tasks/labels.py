"""Labels as users give them, checked, and turned into what the loss takes.

Two kinds: one label a text (`SingleLabels`), or any number of them (`LabelSets`). Both have the
same methods, so that a classifier holds one of them and asks no further.
"""

from collections.abc import Sequence

import numpy as np

from textlstm.errors import InputError


def check_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of a classifier's labels, at least two different ones, as a tuple."""
    labels = tuple(str(label) for label in labels)
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise InputError(
            f"Argument `labels` must hold at least two different names. Received: {labels}"
        )
    return labels


class SingleLabels:
    """One label a text: its name, or its number (the position among the model's labels)."""

    def read(self, labels, rows: int) -> np.ndarray:
        """Checks labels.

        Args:
            labels: names or numbers, one for each text.
            rows: how many texts there are.

        Returns:
            An array of `str` (dtype object) or of int64, `[rows]`.

        Raises:
            InputError: if there is not one name or number for each text.
        """
        _check_given(labels, rows)
        labels = np.asarray(labels)
        if labels.shape != (rows,):
            raise InputError(
                f"there are {rows} texts and labels of shape {labels.shape}; give one label a text"
            )
        kind = labels.dtype.kind
        if kind == "O" and rows and all(isinstance(one, int | np.integer) for one in labels):
            kind = "i"
        if kind in "iub":
            return labels.astype("int64")
        if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
            return labels.astype("int64")
        for row, label in enumerate(labels.tolist()):
            if not isinstance(label, str):
                raise InputError(f"row {row}: a label must be a name or a number; got {label!r}")
        return labels.astype(object)

    def names_in(self, labels: np.ndarray, known: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the names in what `read` gave; numbers name the `known` labels, if they can."""
        if labels.dtype.kind not in "iu":
            return tuple(sorted(set(labels.tolist())))
        if labels.min() < 0:
            raise InputError(f"labels must be names, or numbers from 0; got {labels.min()}")
        if labels.max() < len(known):
            return known
        return tuple(str(number) for number in range(labels.max() + 1))

    def to_targets(self, labels: np.ndarray, known: tuple[str, ...]) -> np.ndarray:
        """Turns what `read` gave into positions among the `known` labels, int32 `[rows]`."""
        if labels.dtype.kind in "iu":
            wrong = (labels < 0) | (labels >= len(known))
            numbers = labels
        else:
            positions = {name: number for number, name in enumerate(known)}
            numbers = np.array([positions.get(label, -1) for label in labels.tolist()])
            wrong = numbers < 0
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _unknown_label(row, labels[row], known)
        return numbers.astype("int32")

    def to_names(self, targets: np.ndarray, known: tuple[str, ...]) -> list[str]:
        """Turns what `to_targets` gave back into names."""
        return [known[number] for number in targets]

    def translate(self, targets, names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
        """Turns positions among `names` into positions among the `known` labels."""
        return self.to_targets(np.array(names, dtype=object)[targets], known)


class LabelSets:
    """Any number of labels a text: their names, or their numbers, or a row of zeros and ones.

    A list holds for each text a tuple (list, set) of names or of numbers; an array of two
    dimensions, `[rows, labels]`, holds ones (or `True`) where a text has a label.
    """

    def read(self, labels, rows: int) -> np.ndarray:
        """Checks labels.

        Args:
            labels: a sequence of tuples, or an array `[rows, labels]`.
            rows: how many texts there are.

        Returns:
            An array of tuples of `str` or of int (dtype object), `[rows]`; or float32,
            `[rows, labels]`.

        Raises:
            InputError: if there is not one tuple, or row, for each text, or it holds what is
                neither a name nor a number.
        """
        _check_given(labels, rows)
        if getattr(labels, "ndim", 1) == 2:
            table = np.asarray(labels)
            if len(table) != rows or table.dtype.kind not in "biuf":
                raise InputError(
                    f"there are {rows} texts and a table of labels of shape {table.shape} and type "
                    f"{table.dtype}; give zeros and ones, a row for each text"
                )
            if not np.isin(table, (0, 1)).all():
                row = int(np.argmax(~np.isin(table, (0, 1)).all(axis=1)))
                raise InputError(f"row {row}: a table of labels must hold zeros and ones only")
            return table.astype("float32")
        if len(labels) != rows:
            raise InputError(
                f"there are {rows} texts and {len(labels)} tuples of labels; give one tuple a text"
            )
        sets = np.empty(rows, dtype=object)
        for row, label_set in enumerate(labels):
            sets[row] = _label_set(row, label_set)
        return sets

    def names_in(self, labels: np.ndarray, known: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the names in what `read` gave; numbers name the `known` labels, if they can."""
        if labels.ndim == 2:
            count = labels.shape[1]
            return known if count == len(known) else tuple(map(str, range(count)))
        found = set().union(*labels)
        if any(isinstance(label, str) for label in found):
            return tuple(sorted(map(str, found)))
        if min(found, default=0) < 0:
            raise InputError(f"labels must be names, or numbers from 0; got {min(found)}")
        highest = max(found, default=0)
        return known if highest < len(known) else tuple(map(str, range(highest + 1)))

    def to_targets(self, labels: np.ndarray, known: tuple[str, ...]) -> np.ndarray:
        """Turns what `read` gave into ones at the labels of each row, float32 `[rows, labels]`."""
        if labels.ndim == 2:
            if labels.shape[1] != len(known):
                raise InputError(
                    f"the table of labels has {labels.shape[1]} columns, the model {len(known)} "
                    f"labels, {', '.join(known)}; give one column a label, in this order"
                )
            return labels
        positions = {name: number for number, name in enumerate(known)}
        positions |= {number: number for number in range(len(known))}
        targets = np.zeros((len(labels), len(known)), "float32")
        for row, label_set in enumerate(labels):
            for label in label_set:
                if label not in positions:
                    raise _unknown_label(row, label, known)
                targets[row, positions[label]] = 1
        return targets

    def to_names(self, targets: np.ndarray, known: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Turns what `to_targets` gave back into tuples of names."""
        return [tuple(known[number] for number in np.flatnonzero(row)) for row in targets]

    def translate(self, targets, names: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
        """Turns rows with a column for each of `names` into rows for the `known` labels."""
        translated = np.zeros((len(targets), len(known)), "float32")
        for column, name in enumerate(names):
            if name in known:
                translated[:, known.index(name)] = targets[:, column]
            elif targets[:, column].any():
                raise _unknown_label(int(np.argmax(targets[:, column] > 0)), name, known)
        return translated


def _check_given(labels, rows: int) -> None:
    if labels is None:
        raise InputError("texts need labels: give y, a name or number for each text")
    if not rows:
        raise InputError("there is no text; give at least one")


def _label_set(row: int, labels) -> tuple:
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__iter__"):
        raise InputError(
            f"row {row}: a multi-label model takes a tuple of labels for each text; got {labels!r}"
        )
    labels = tuple(label.item() if isinstance(label, np.generic) else label for label in labels)
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise InputError(f"row {row}: a label must be a name or a number; got {label!r}")
    return labels


def _unknown_label(row: int, label, known: tuple[str, ...]) -> InputError:
    return InputError(
        f"row {row}: the label {label!r} is none of the model's labels {', '.join(known)}; "
        "mend the label, or fit the model on rows that have it"
    )
