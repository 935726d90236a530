"""What every source of text has: rows in parts, read anew, one at a time, on every pass."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from textlstm.errors import InputError


class PartedSource(ABC):
    """Rows in one or more parts; each row has `where`, its place, and says if it `is_empty`.

    Args:
        name: a short name, fit for a folder ("sample", "reviews", "imdb").
        description: one line for people.
        parts: the parts the data brings: ("train", "test"), perhaps with "validation" and parts of
            other names, or ("all",) where it is not divided. The first is the one to train on.
        notes: remarks known before anything is read.

    A reader overrides `_read`. What holds for all sources is done here: rows that are empty are
    left out, counted and noted, and a part without a row is an error.

    Attributes:
        empty_row: of a kind of source: one row and several in the note on empty ones, and what is
            empty about them.
        needed: of a kind of source: what a part without a row lacks, for the error.
        has_columns: whether its rows have named or numbered columns (or features) to choose from.
    """

    empty_row: tuple[str, str, str]
    needed: str
    has_columns: bool = False

    def __init__(
        self, name: str, description: str, parts: tuple[str, ...], notes: tuple[str, ...] = ()
    ):
        self.name = name
        self.description = description
        self.parts = parts
        self._first_notes = notes
        self._empty: dict[str, list[str]] = {}

    @abstractmethod
    def _read(self, part: str) -> Iterator:
        """Yields every row of `part`, also the empty ones."""

    @property
    def notes(self) -> list[str]:
        """One-line remarks to be printed: what was left out, and why, as far as it was read."""
        return [*self._first_notes, *(self._empty_note(r) for r in self._empty.values() if r)]

    def rows(self, part: str) -> Iterator:
        """Reads one part; every kind of source has this under the name of its rows, too.

        Args:
            part: one of `parts`.

        Returns:
            An iterator over the rows, always in the same order.

        Raises:
            InputError: if there is no such part, if something cannot be read, or, at the end of the
                pass, if the part holds no row.
        """
        self._check_part(part)
        return self._filled_rows(part)

    def _check_part(self, part: str) -> None:
        if part not in self.parts:
            raise InputError(
                f"{self.name}: there is no part {part!r}; the parts are {', '.join(self.parts)}"
            )

    def _filled_rows(self, part: str) -> Iterator:
        empty: list[str] = []
        count = 0
        try:
            for row in self._read(part):
                if row.is_empty:
                    empty.append(row.where)
                else:
                    count += 1
                    yield row
        finally:
            # A pass that stopped early must not make a fuller one forget what it left out.
            if len(empty) >= len(self._empty.get(part, ())):
                self._empty[part] = empty
        if not count:
            raise InputError(f"{self._place(part)}: holds no {self.needed}")

    def _place(self, part: str) -> str:
        return self.name if self.parts == ("all",) else f"{self.name}, part {part!r}"

    def _empty_note(self, rows: list[str]) -> str:
        one, several, what = self.empty_row
        shown = ", ".join(rows[:3]) + (f" and {len(rows) - 3:,} more" if len(rows) > 3 else "")
        noun = f"1 {one}" if len(rows) == 1 else f"{len(rows):,} {several}"
        return f"left out {noun} {what}: {shown}"
