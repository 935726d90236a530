"""What every reader of translations gives: pairs of texts, one at a time, in parts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from textlstm.errors import InputError


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and its translation.

    Attributes:
        source: the text to translate, as it stands in its file.
        target: its translation.
        where: where it stands, such as "phrases.tsv:12"; used in messages.
    """

    source: str
    target: str
    where: str


class PairSource(ABC):
    """A set of pairs in one or more parts, read anew, one pair at a time, on every pass.

    Args:
        name: a short name, fit for a folder.
        description: one line for people.
        parts: the parts the data brings: ("train", "test"), perhaps with "validation" and parts of
            other names, or ("all",) where it is not divided. The first is the one to train on.
        notes: remarks known before anything is read.

    A reader overrides `_read`. Pairs with an empty side are left out, counted and noted; a part
    without a pair is an error.
    """

    def __init__(
        self, name: str, description: str, parts: tuple[str, ...], notes: tuple[str, ...] = ()
    ):
        self.name = name
        self.description = description
        self.parts = parts
        self._first_notes = notes
        self._empty: dict[str, list[str]] = {}

    @abstractmethod
    def _read(self, part: str) -> Iterator[Pair]:
        """Yields every pair of `part`, also those with an empty side."""

    @property
    def notes(self) -> list[str]:
        """One-line remarks to be printed: what was left out, and why, as far as it was read."""
        return [*self._first_notes, *(_empty_note(rows) for rows in self._empty.values() if rows)]

    def pairs(self, part: str) -> Iterator[Pair]:
        """Reads one part.

        Args:
            part: one of `parts`.

        Returns:
            An iterator over the pairs, always in the same order.

        Raises:
            InputError: if there is no such part, if something cannot be read, or, at the end of the
                pass, if the part holds no pair.
        """
        if part not in self.parts:
            raise InputError(
                f"{self.name}: there is no part {part!r}; the parts are {', '.join(self.parts)}"
            )
        return self._checked(part)

    def _checked(self, part: str) -> Iterator[Pair]:
        empty: list[str] = []
        count = 0
        try:
            for pair in self._read(part):
                if pair.source.strip() and pair.target.strip():
                    count += 1
                    yield pair
                else:
                    empty.append(pair.where)
        finally:
            # A pass that stopped early must not make a fuller one forget what it left out.
            if len(empty) >= len(self._empty.get(part, ())):
                self._empty[part] = empty
        if not count:
            place = self.name if self.parts == ("all",) else f"{self.name}, part {part!r}"
            raise InputError(f"{place}: holds no pair of texts; give rows with both sides")


def _empty_note(rows: list[str]) -> str:
    shown = ", ".join(rows[:3]) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")
    noun = "1 pair" if len(rows) == 1 else f"{len(rows):,} pairs"
    return f"left out {noun} with an empty side: {shown}"
