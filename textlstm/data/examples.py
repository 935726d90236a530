"""What every reader of labelled text gives: examples, one at a time, from a source with parts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

from textlstm.errors import InputError

# A set may call its parts by any of these names; a source always calls them by the key.
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}


def standard_part(name: str) -> str | None:
    """Returns "train", "validation" or "test" for a folder or file called `name`, else `None`."""
    for part, names in PART_NAMES.items():
        if name.lower() in names:
            return part
    return None


@dataclass(frozen=True, slots=True)
class Example:
    """One text with its label.

    Attributes:
        text: the text as it stands in its file.
        label: the name of its class; a tuple of names, perhaps empty, where a text may have several
            labels; `None` where the data has no labels.
        where: where it stands, such as "reviews.csv:12"; used in messages.
        source: the name of the source it came from, where several were opened as one; else "".
    """

    text: str
    label: str | tuple[str, ...] | None
    where: str
    source: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all its labels."""
        if self.label is None:
            return ()
        return self.label if isinstance(self.label, tuple) else (self.label,)


class Source(ABC):
    """A set of examples in one or more parts, read anew, one example at a time, on every pass.

    Args:
        name: a short name, fit for a folder ("sample", "reviews", "imdb").
        description: one line for people.
        parts: the parts the data brings: ("train", "test"), perhaps with "validation" and parts of
            other names, or ("all",) where it is not divided. The first is the one to train on.
        notes: remarks known before anything is read.

    Attributes:
        label_names: other names for some labels, by the names they have in the data; two that get
            the same name become one. At first none.

    A reader overrides `_read`. What holds for all sources is done here: texts that are empty are
    left out, counted and noted; a part without a text, a training part with a single class, and
    rows with one label beside rows with a list of labels, are errors.
    """

    def __init__(
        self, name: str, description: str, parts: tuple[str, ...], notes: tuple[str, ...] = ()
    ):
        self.name = name
        self.description = description
        self.parts = parts
        self.label_names: dict[str, str] = {}
        self._first_notes = notes
        self._empty: dict[str, list[str]] = {}
        self._first_label: tuple[bool, str] | None = None  # whether it was a list, and where

    @property
    def multi_label(self) -> bool | None:
        """Whether a text may have several labels; `None` before a row with a label was read."""
        return None if self._first_label is None else self._first_label[0]

    @abstractmethod
    def _read(self, part: str) -> Iterator[Example]:
        """Yields every example of `part`, also those whose text is empty."""

    @property
    def notes(self) -> list[str]:
        """One-line remarks to be printed: what was left out, and why, as far as it was read."""
        return [*self._first_notes, *(_empty_note(rows) for rows in self._empty.values() if rows)]

    def examples(self, part: str) -> Iterator[Example]:
        """Reads one part.

        Args:
            part: one of `parts`.

        Returns:
            An iterator over the examples, always in the same order.

        Raises:
            InputError: if there is no such part, if something cannot be read, if some rows have one
                label and others a list, if the part holds no text, or if the first part holds texts
                of one class only or has not all of the labels that `label_names` gives other names.
                The last three are known at the end of the pass.
        """
        if part not in self.parts:
            raise InputError(
                f"{self.name}: there is no part {part!r}; the parts are {', '.join(self.parts)}"
            )
        return self._checked(part)

    def _checked(self, part: str) -> Iterator[Example]:
        empty: list[str] = []
        labels: set[str] = set()  # as they stand in the data
        count = 0
        try:
            for example in self._read(part):
                if not example.text.strip():
                    empty.append(example.where)
                    continue
                count += 1
                if example.label is not None:
                    self._check_kind_of_label(example)
                    labels.update(example.labels)
                yield self._renamed(example)
        finally:
            # A pass that stopped early must not make a fuller one forget what it left out.
            if len(empty) >= len(self._empty.get(part, ())):
                self._empty[part] = empty
        place = self.name if self.parts == ("all",) else f"{self.name}, part {part!r}"
        if not count:
            raise InputError(f"{place}: holds no text; give rows with a text and a label")
        if part == self.parts[0]:
            if unknown := sorted(set(self.label_names) - labels):
                raise InputError(
                    f"{place}: no row has the label {unknown[0]!r} that is to get another name; "
                    f"the labels are {', '.join(sorted(labels))}"
                )
            labels = {self.label_names.get(label, label) for label in labels}
            check_classes(labels, place, bool(self.multi_label))

    def _renamed(self, example: Example) -> Example:
        if not self.label_names or example.label is None:
            return example
        names = [self.label_names.get(label, label) for label in example.labels]
        is_list = isinstance(example.label, tuple)
        return replace(example, label=tuple(dict.fromkeys(names)) if is_list else names[0])

    def _check_kind_of_label(self, example: Example) -> None:
        is_list = isinstance(example.label, tuple)
        if self._first_label is None:
            self._first_label = is_list, example.where
        elif is_list != self._first_label[0]:
            kinds = ("one label", "a list of labels")
            raise InputError(
                f"{example.where}: has {kinds[is_list]} where {self._first_label[1]} has "
                f"{kinds[not is_list]}; give every row one label, or every row a list"
            )


def check_classes(labels: set[str], place: str, multi_label: bool = False) -> None:
    """Raises an `InputError` if the rows at `place` have too few classes to tell apart.

    Args:
        labels: the names of all labels of all rows; none where the data has no labels.
        place: what the rows are, for the message.
        multi_label: whether a row may have several labels, or none.
    """
    if multi_label and not labels:
        raise InputError(f"{place}: no row has a label; a classifier needs at least two classes")
    if len(labels) == 1:
        rows = "the only label is" if multi_label else "every row has the label"
        raise InputError(
            f"{place}: {rows} {next(iter(labels))!r}; a classifier needs at least two classes"
        )


def _empty_note(rows: list[str]) -> str:
    shown = ", ".join(rows[:3]) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")
    noun = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    return f"left out {noun} with an empty text: {shown}"
