"""What every reader of labelled text gives: examples, one at a time, from a source with parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from textlstm.data.parted_source import PartedSource
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

    @property
    def is_empty(self) -> bool:
        """Whether its text holds nothing but white space."""
        return not self.text.strip()


class Source(PartedSource):
    """A source of labelled texts; see `PartedSource` for its arguments.

    Attributes:
        label_names: other names for some labels, by the names they have in the data; two that get
            the same name become one. At first none.
        labels_read: the labels of the first part as they stand in the data, as far as it was read.

    Texts that are empty are left out. A training part with a single class, and rows with one label
    beside rows with a list of labels, are errors.
    """

    empty_row = "row", "rows", "with an empty text"
    needed = "text; give rows with a text and a label"

    def __init__(
        self, name: str, description: str, parts: tuple[str, ...], notes: tuple[str, ...] = ()
    ):
        super().__init__(name, description, parts, notes)
        self.label_names: dict[str, str] = {}
        self.labels_read: set[str] = set()
        self._first_label: tuple[bool, str] | None = None  # whether it was a list, and where

    @property
    def multi_label(self) -> bool | None:
        """Whether a text may have several labels; `None` before a row with a label was read."""
        return None if self._first_label is None else self._first_label[0]

    def examples(self, part: str, *, beside_others: bool = False) -> Iterator[Example]:
        """Reads one part.

        Args:
            part: one of `parts`.
            beside_others: whether the rows are used beside those of other sources; then they may be
                of one class, and need not have all labels of `label_names`. Default: `False`.

        Returns:
            An iterator over the examples, always in the same order.

        Raises:
            InputError: if there is no such part, if something cannot be read, if some rows have one
                label and others a list, if the part holds no text, or if the first part holds texts
                of one class only or has not all of the labels that `label_names` gives other names.
                The last three are known at the end of the pass.
        """
        self._check_part(part)
        return self._filled_rows(part, beside_others)

    def _filled_rows(self, part: str, beside_others: bool = False) -> Iterator[Example]:
        labels: set[str] = set()  # as they stand in the data
        for example in super()._filled_rows(part):
            if example.label is not None:
                self._check_kind_of_label(example)
                labels.update(example.labels)
            yield self._renamed(example)
        if part == self.parts[0]:
            self.labels_read = labels
            if not beside_others:
                check_renamed(self.label_names, labels, self._place(part))
                labels = {self.label_names.get(label, label) for label in labels}
                check_classes(labels, self._place(part), bool(self.multi_label))

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


def check_renamed(label_names: Mapping[str, str], labels: set[str], place: str) -> None:
    """Raises an `InputError` if a label that is to get another name is not there.

    Args:
        label_names: other names, by the names in the data.
        labels: the labels of all rows, as they stand in the data.
        place: what the rows are, for the message.
    """
    if unknown := sorted(set(label_names) - labels):
        raise InputError(
            f"{place}: no row has the label {unknown[0]!r} that is to get another name; the labels "
            f"are {', '.join(sorted(labels))}"
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
