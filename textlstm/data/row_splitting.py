"""Training, validation and test rows of pairs and texts: a row's part follows from its text alone.

So equal texts fall on one side, and anybody can repeat the split.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from textlstm.data.examples import PART_NAMES
from textlstm.data.parted_source import PartedSource
from textlstm.data.splitting import check_part, digest, draw, limiting_number
from textlstm.errors import InputError

_PARTS = tuple(PART_NAMES)


class RowSplit:
    """Training, validation and test rows of a source.

    Args:
        source: the source.
        more: further sources, whose first parts are used for training only, less what is held out.
        own: names in the source of the parts for validation and test that it brings.
        sizes: what is held out for the others: below 1 a share of the rows, else their number.
        seed: of the split.
        limit: the most rows of each part; `None` for all.
        remove_leaks: whether to leave out of training what also stands in the source's own parts.

    Attributes:
        source: the source.
        parts: the parts there are, "train" first.
        counts: the number of rows of each part.
        notes: one-line remarks to be printed, the sources' included.
        nouns: of a kind of rows: one of them, and several.
        leaking: of a kind of rows: what is the matter with those whose text is held out.
    """

    nouns: tuple[str, str]
    leaking: str

    def __init__(
        self,
        source: PartedSource,
        more: Sequence[PartedSource],
        own: dict[str, str],
        sizes: dict[str, float],
        seed: int,
        limit: int | None,
        remove_leaks: bool,
    ):
        self.source = source
        self._more = tuple(more)
        self._own = own
        self._seed = seed
        # The stretch of [0, 1) from which a part takes the texts that are drawn in it.
        self._stretches: dict[str, tuple[float, float]] = {}
        self._limits: dict[str, float] = {}
        self._held_out: set[bytes] = set()
        self._remove_leaks = remove_leaks
        self.parts = tuple(p for p in _PARTS if p == "train" or p in own or sizes.get(p))
        self._survey({p: size for p, size in sizes.items() if size and p not in own}, limit)

    @staticmethod
    def text_of(row: Any) -> str:
        """Returns the text that decides on the part of a row."""
        raise NotImplementedError

    def rows(self, part: str) -> Iterator:
        """Reads one part.

        Args:
            part: one of `parts`.

        Raises:
            InputError: if there is no such part, or a row cannot be read.
        """
        check_part(self, part)
        limit = self._limits[part]
        for number, row in self._drawn(part):
            if number < limit:
                yield row

    def _drawn(self, part: str) -> Iterator[tuple[float, Any]]:
        """Yields all rows of a part with the numbers that are drawn for them."""
        if part == "train":
            for number, row, source, is_leak in self._of_train():
                if not (is_leak and self._leaves_out_leaks(source)):
                    yield number, row
        elif part in self._own:
            for row in self.source.rows(self._own[part]):
                yield self._draw(row), row
        else:
            yield from self._stretch(part)

    def _stretch(self, part: str) -> Iterator[tuple[float, Any]]:
        low, high = self._stretches[part]
        for row in self.source.rows(self.source.parts[0]):
            number = self._draw(row)
            if low <= number < high:
                yield number, row

    def _of_train(self) -> Iterator[tuple[float, Any, PartedSource, bool]]:
        """Yields the number, row and source of what may be trained on, and if it is held out."""
        for number, row in self._stretch("train"):
            yield number, row, self.source, self._is_held_out(row)
        # Numbers from the same stretch, so that a limit takes as much of one source as of another.
        low, high = self._stretches["train"]
        for source in self._more:
            for row in source.rows(source.parts[0]):
                number = low + (high - low) * self._draw(row)
                yield number, row, source, self._is_held_out(row)

    def _leaves_out_leaks(self, source: PartedSource) -> bool:
        return self._remove_leaks or source is not self.source

    def _draw(self, row) -> float:
        return draw(self.text_of(row), self._seed)

    def _is_held_out(self, row) -> bool:
        return digest(self.text_of(row)) in self._held_out

    def _survey(self, sizes: dict[str, float], limit: int | None) -> None:
        """Reads all: where the parts begin and end, their counts, and what leaks."""
        base = np.fromiter(map(self._draw, self.source.rows(self.source.parts[0])), np.float64)
        low = 0.0
        for part, size in sizes.items():
            high = _end_of_stretch(base, low, size)
            self._stretches[part] = low, high
            low = high
        self._stretches["train"] = low, 1.0
        drawn = {}
        for part in ("test", "validation"):  # before training, whose leaks are found by them
            if part in self.parts:
                numbers = array("d")
                for number, row in self._drawn(part):
                    numbers.append(number)
                    self._held_out.add(digest(self.text_of(row)))
                drawn[part] = np.array(numbers)
        leaks, numbers = Counter(), array("d")
        for number, _, source, is_leak in self._of_train():
            leaks[source] += is_leak
            if not (is_leak and self._leaves_out_leaks(source)):
                numbers.append(number)
        drawn["train"] = np.array(numbers)
        for part, values in drawn.items():
            if not len(values):
                raise InputError(
                    f"{self.source.name}: {len(base):,} {self.nouns[1]} are too few: none is left "
                    f"for {part}; give more, or hold out fewer"
                )
            self._limits[part] = limiting_number(values, limit)
            drawn[part] = values[values < self._limits[part]]
        self.counts = {part: len(drawn[part]) for part in self.parts}
        self.notes = [*self.source.notes, *(note for more in self._more for note in more.notes)]
        self.notes += [self._leak_note(source, count) for source, count in leaks.items() if count]

    def _leak_note(self, source: PartedSource, count: int) -> str:
        of = "train" if source is self.source else source.name
        return leak_note(type(self), count, of, self._leaves_out_leaks(source))


def leak_note(kind: type[RowSplit], count: int, of: str, left_out: bool) -> str:
    """Returns the remark on rows for training whose text is held out.

    Args:
        kind: of the split: what its rows are called, and what is the matter with them.
        count: number of the rows.
        of: the name of the source, or "train".
        left_out: whether they are left out.
    """
    rows = f"1 {kind.nouns[0]}" if count == 1 else f"{count:,} {kind.nouns[1]}"
    if left_out:
        return f"left out {rows} of {of} {kind.leaking}"
    return f"kept {rows} of {of} {kind.leaking}, as the data brings its own parts"


def _end_of_stretch(numbers: np.ndarray, low: float, size: float) -> float:
    """Returns where a stretch ends that begins at `low` and holds a share, or a count, of rows."""
    if size < 1:
        return low + size
    free = np.sort(numbers[numbers >= low])
    return float(free[int(size)]) if int(size) < len(free) else 1.0


def check_sizes(sizes: dict[str, float], limit: int | None, noun: str) -> None:
    """Raises an `InputError` if parts cannot be of these sizes.

    Args:
        sizes: of what is held out, by part: below 1 a share, else a number of rows.
        limit: the most rows of each part, or `None`.
        noun: what the rows are, "pairs".
    """
    for part, size in sizes.items():
        if size < 0 or (size > 1 and size != int(size)):
            raise InputError(
                f"the size of {part} is {size}; give a share below 1, or a whole number of {noun}"
            )
    if sum(size for size in sizes.values() if size < 1) >= 1:
        raise InputError(f"the shares {sizes} leave no {noun} to train on; give smaller ones")
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; give 1 or more {noun}, or none for all")


def own_parts(source: PartedSource, test_part: str | None) -> dict[str, str]:
    """Returns the names of the parts for validation and test that a source brings.

    Args:
        source: the source.
        test_part: the part to test on; `None`: "test", if there is one.

    Raises:
        InputError: if there is no such part, or it is the one to train on.
    """
    own = {part: part for part in ("validation", "test") if part in source.parts}
    if test_part is not None:
        if test_part not in source.parts[1:]:
            raise InputError(
                f"{source.name}: there is no part {test_part!r} to test on; the parts are "
                f"{', '.join(source.parts)}"
            )
        # What is tested on is not what the training is stopped by.
        own = {part: name for part, name in own.items() if name != test_part} | {"test": test_part}
    return own
