"""Training, validation and test rows, by a rule that anybody can repeat.

A row's part follows from its text alone, so a text that occurs twice falls on one side, rows may be
added or shuffled without others changing sides, and nothing about a split needs to be stored.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from hashlib import blake2b

import numpy as np

from textlstm.data.examples import Example, Source, check_classes
from textlstm.errors import InputError


def draw(text: str, seed: int = 0) -> float:
    r"""Returns the number in [0, 1) that decides the part of `text`.

    It is the first 53 bits of the 8-byte BLAKE2b hash of the UTF-8 text `"{seed}\n{text}"`, white
    space around the text taken off.
    """
    data = f"{seed}\n{text.strip()}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 11) / 2**53


def part_of(text: str, *, shares: Mapping[str, float], seed: int = 0, rest: str = "train") -> str:
    """Returns the part that a text belongs to.

    Args:
        text: the text; white space around it does not count.
        shares: the share of each part that is held out, such as `{"test": 0.1,
            "validation": 0.1}`. The order counts: each part takes the next stretch of [0, 1).
        seed: another seed gives another split.
        rest: the name of the part that takes what is left.

    Raises:
        InputError: if a share is negative or the shares leave no rest.
    """
    _check_shares(shares)
    return _part(draw(text, seed), shares, rest)


def _part(number: float, shares: Mapping[str, float], rest: str) -> str:
    upper = 0.0
    for part, share in shares.items():
        upper += share
        if number < upper:
            return part
    return rest


def _check_shares(shares: Mapping[str, float]) -> None:
    for part, share in shares.items():
        if not 0 <= share < 1:
            raise InputError(f"the share of {part} is {share}; give a number from 0 to below 1")
    if sum(shares.values()) >= 1:
        raise InputError(f"the shares {dict(shares)} leave no rows to train on; give smaller ones")


class Split:
    """Training, validation and test examples of a source; made by `split_examples`.

    Attributes:
        source: the source.
        parts: the parts there are, "train" first.
        counts: the number of examples of each part.
        labels: the label names of the training part, sorted; as numbers if all are whole numbers.
        notes: one-line remarks to be printed, the source's included.
    """

    def __init__(self, source: Source, shares: dict[str, float], seed: int, limit: int | None):
        own = {part for part in ("validation", "test") if part in source.parts}
        self.source = source
        self._base = source.parts[0]
        self._own = own
        self._shares = {p: share for p, share in shares.items() if share and p not in own}
        self._seed = seed
        self._limits: dict[str, float] = {}
        order = ("train", "validation", "test")
        self.parts = tuple(p for p in order if p == "train" or p in own or p in self._shares)
        self._survey(limit)

    def examples(self, part: str) -> Iterator[Example]:
        """Reads one part from the source.

        Args:
            part: one of `parts`.

        Raises:
            InputError: if there is no such part, or a row cannot be read.
        """
        if part not in self.parts:
            raise InputError(
                f"{self.source.name}: there is no {part!r} part; there is {', '.join(self.parts)}"
            )
        limit = self._limits.get(part, 1.0)
        for found, number, example in self._drawn(part if part in self._own else self._base):
            if found == part and number < limit:
                yield example

    def _drawn(self, source_part: str) -> Iterator[tuple[str, float, Example]]:
        """Yields part, drawn number and example of every row of a part of the source."""
        shares = {} if source_part in self._own else self._shares
        rest = source_part if source_part in self._own else "train"
        for example in self.source.examples(source_part):
            number = draw(example.text, self._seed)
            yield _part(number, shares, rest), number, example

    def _survey(self, limit: int | None) -> None:
        """Reads all parts once: counts, label names, limits, and texts that leak."""
        numbers = {part: array("d") for part in self.parts}
        labels: dict[str, set[str | None]] = {part: set() for part in self.parts}
        for source_part in (self._base, *sorted(self._own)):
            for part, number, example in self._drawn(source_part):
                numbers[part].append(number)
                labels[part].add(example.label)
        drawn = {part: np.frombuffer(numbers[part], np.float64) for part in self.parts}

        self._check_counts({part: len(values) for part, values in drawn.items()})
        for part, values in drawn.items():
            if limit is not None and len(values) > limit:
                # The drawn numbers serve as a shuffle: the first rows of a file may be one class.
                self._limits[part] = float(np.partition(values, limit)[limit])
                drawn[part] = values[values < self._limits[part]]
        self.counts = {part: len(values) for part, values in drawn.items()}
        check_classes(labels["train"], f"{self.source.name}, part 'train'")
        self.labels = _sorted_labels({label for label in labels["train"] if label is not None})

        self.notes = self.source.notes
        for part in sorted(self._own):
            repeated = int(np.isin(drawn[part], drawn["train"]).sum())
            if repeated:
                self.notes.append(
                    f"{repeated:,} of the {self.counts[part]:,} {part} texts are also in train "
                    "(kept, as the data brings its own parts)"
                )

    def _check_counts(self, counts: dict[str, int]) -> None:
        total = sum(count for part, count in counts.items() if part not in self._own)
        for part, count in counts.items():
            if count:
                continue
            share = self._shares.get(part, 1 - sum(self._shares.values()))
            # So many that none falls into the part only once in a thousand times.
            needed = max(math.ceil(math.log(0.001) / math.log1p(-share)), total + 1)
            raise InputError(
                f"{self.source.name}: {total} rows are too few: a share of {share:g} of them for "
                f"{part} gives none; give at least {needed} rows"
            )


def split_examples(
    source: Source,
    *,
    test_share: float = 0.1,
    validation_share: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
) -> Split:
    """Divides a source into train, validation and test.

    The source's own test part is used whole, and so is its own validation part. What it does not
    bring is taken from its training rows by `part_of`. The source is read once, to count.

    Args:
        source: what `open_source` gives.
        test_share: share of the rows held out for the test if the source brings none; 0 for no
            test. Default: 0.1.
        validation_share: likewise for validation. Default: 0.1.
        seed: of the split. Default: 0.
        limit: use no more than so many rows of each part, drawn from all over it. Default: all.

    Raises:
        InputError: if a share is out of range, if the rows are so few that a part would be empty,
            if all training rows are of one class, or if a row cannot be read.
    """
    shares = {"test": test_share, "validation": validation_share}
    _check_shares(shares)
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; give 1 or more rows, or none for all")
    return Split(source, shares, seed, limit)


def _sorted_labels(labels: set[str]) -> tuple[str, ...]:
    if all(label.removeprefix("-").isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))
