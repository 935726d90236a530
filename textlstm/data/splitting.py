"""Training, validation and test rows, by a rule that anybody can repeat.

A row's part follows from its text alone, so a text that occurs twice falls on one side, rows may be
added or shuffled without others changing sides, and nothing about a split needs to be stored.
"""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from textlstm.data.examples import (
    PART_NAMES,
    Example,
    Source,
    check_classes,
    check_renamed,
)
from textlstm.errors import InputError

_PARTS = tuple(PART_NAMES)


def check_part(split, part: str) -> None:
    """Raises an `InputError` if a split has no such part."""
    if part not in split.parts:
        raise InputError(
            f"{split.source.name}: there is no {part!r} part; there is {', '.join(split.parts)}"
        )


def draw(text: str, seed: int = 0) -> float:
    r"""Returns the number in [0, 1) that decides the part of `text`.

    It is the first 53 bits of the 8-byte BLAKE2b hash of the UTF-8 text `"{seed}\n{text}"`, white
    space around the text taken off.
    """
    data = f"{seed}\n{text.strip()}".encode("utf-8", "surrogatepass")
    return (int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 11) / 2**53


def limiting_number(numbers: np.ndarray, limit: int | None) -> float:
    """Returns the number below which `limit` of the numbers that `draw` gave are, or all.

    They serve as a shuffle, for the first rows of a file may be of one class. Copies of a text have
    one number, and stay together: of the lowest there may be more.
    """
    if limit is None or len(numbers) <= limit:
        return 1.0
    return float(max(np.partition(numbers, limit)[limit], np.nextafter(numbers.min(), 1.0)))


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
        multi_label: whether a text may have several labels, or none.
        notes: one-line remarks to be printed, the source's included.
    """

    def __init__(
        self,
        source: Source,
        more: Sequence[Source],
        shares: dict[str, float],
        seed: int,
        limit: int | None,
        deduplicate: bool,
        remove_leaks: bool,
    ):
        own = {part for part in ("validation", "test") if part in source.parts}
        self.source = source
        self._more = tuple(more)
        self._base = source.parts[0]
        self._own = own
        self._shares = {p: share for p, share in shares.items() if share and p not in own}
        self._seed = seed
        self._limits: dict[str, float] = {}
        # For a part of a source, whether each of its rows is used; without an entry all are.
        self._used: dict[tuple[Source, str], np.ndarray] = {}
        self.parts = tuple(p for p in _PARTS if p == "train" or p in own or p in self._shares)
        self._survey(limit, deduplicate, remove_leaks)

    def examples(self, part: str) -> Iterator[Example]:
        """Reads one part from the source.

        Args:
            part: one of `parts`.

        Raises:
            InputError: if there is no such part, or a row cannot be read.
        """
        check_part(self, part)
        limit = self._limits[part]
        places = [(self.source, part if part in self._own else self._base)]
        if part == "train":
            places += self._places_of_more
        for place in places:
            for found, number, example in self._drawn(*place):
                if found == part and number < limit:
                    yield example

    @property
    def _places_of_more(self) -> list[tuple[Source, str]]:
        return [(source, source.parts[0]) for source in self._more]

    def _drawn(self, source: Source, source_part: str) -> Iterator[tuple[str, float, Example]]:
        """Yields part, drawn number and example of the rows used of a part of a source."""
        if source is not self.source:
            shares, rest = {}, "train"
        elif source_part in self._own:
            shares, rest = {}, source_part
        else:
            shares, rest = self._shares, "train"
        used = self._used.get((source, source_part))
        held_out = sum(self._shares.values())
        for row, example in enumerate(source.examples(source_part, beside_others=bool(self._more))):
            if used is not None and not used[row]:
                continue
            number = draw(example.text, self._seed)
            part = _part(number, shares, rest)
            if source is not self.source:
                # As of the training rows of the source: a limit takes as much of each.
                number = held_out + (1 - held_out) * number
            yield part, number, example

    def _survey(self, limit: int | None, deduplicate: bool, remove_leaks: bool) -> None:
        """Reads all parts once: counts, label names, limits, and texts that repeat or leak."""
        label_numbers: dict[tuple[str, ...], int] = {}
        compares = deduplicate or remove_leaks or self._more
        text_numbers: dict[bytes, int] | None = {} if compares else None
        own_places = [(self.source, part) for part in (self._base, *sorted(self._own))]
        rows = {
            place: self._survey_part(*place, label_numbers, text_numbers)
            for place in (*own_places, *self._places_of_more)
        }
        own_rows = {part: rows[source, part] for source, part in own_places}
        self.multi_label = bool(self.source.multi_label)
        left_out = []
        if deduplicate:
            for source_part, found in own_rows.items():
                place = "" if len(own_rows) == 1 else f"{source_part}: "
                left_out += [place + note for note in _leave_out_repeated(found)]
        if remove_leaks:
            left_out += _leave_out_leaks(list(own_rows.values()))
        for source in self._more:
            found = rows[source, source.parts[0]]
            notes = _leave_out_leaks(list(own_rows.values()), found)
            notes += _leave_out_repeated(found) if deduplicate else []
            left_out += [f"{source.name}: {note}" for note in notes]
        for (source, source_part), found in rows.items():
            if not found.used.any():
                raise InputError(
                    f"{source.name}, part {source_part!r}: nothing is left when texts that repeat "
                    "or are held out are left out; go without deduplicate and remove_leaks, or "
                    "give other data"
                )
            if text_numbers is not None:
                self._used[source, source_part] = found.used

        drawn = {
            part: np.concatenate([found.number[found.of(part)] for found in rows.values()])
            for part in self.parts
        }
        self._check_counts(
            {part: sum(int(r.of(part).sum()) for r in own_rows.values()) for part in self.parts}
        )
        for part, values in drawn.items():
            self._limits[part] = limiting_number(values, limit)
            drawn[part] = values[values < self._limits[part]]
        self.counts = {part: len(values) for part, values in drawn.items()}
        names = _names_in_training(rows[self.source, self._base], label_numbers)
        check_classes(names, f"{self.source.name}, part 'train'", self.multi_label)
        if self._more:
            sources = (self.source, *self._more)
            labels = set().union(*(source.labels_read for source in sources))
            for source in sources:
                check_renamed(source.label_names, labels, self.source.name)
        for source in self._more:
            found = _names_in_training(rows[source, source.parts[0]], label_numbers)
            self._check_labels(source, found, names)
        self.labels = _sorted_labels(names)

        self.notes = [note for source in (self.source, *self._more) for note in source.notes]
        self.notes += left_out
        for part in sorted(self._own):
            repeated = int(np.isin(drawn[part], drawn["train"]).sum())
            if repeated:
                self.notes.append(
                    f"{repeated:,} of the {self.counts[part]:,} {part} texts are also in train "
                    "(kept, as the data brings its own parts)"
                )

    def _check_labels(self, source: Source, found: set[str], names: set[str]) -> None:
        if unknown := sorted(found - names):
            raise InputError(
                f"{source.name}: has the label {unknown[0]!r}, which the training rows of "
                f"{self.source.name} do not have; theirs are {', '.join(sorted(names))}"
            )
        if bool(source.multi_label) != self.multi_label:
            kinds = ("one label", "a list of labels")
            raise InputError(
                f"{source.name}: a text has {kinds[bool(source.multi_label)]}, in "
                f"{self.source.name} it has {kinds[self.multi_label]}; give data of one kind"
            )

    def _survey_part(
        self,
        source: Source,
        source_part: str,
        label_numbers: dict[tuple[str, ...], int],
        text_numbers: dict[bytes, int] | None,
    ) -> "_Rows":
        """Reads a part of a source; numbers labels, and texts by their digests, as they come."""
        parts, number, label, text = array("b"), array("d"), array("q"), array("q")
        for part, drawn, example in self._drawn(source, source_part):
            parts.append(_PARTS.index(part))
            number.append(drawn)
            labels = tuple(sorted(example.labels))
            label.append(label_numbers.setdefault(labels, len(label_numbers)))
            if text_numbers is not None:
                text.append(text_numbers.setdefault(digest(example.text), len(text_numbers)))
        return _Rows(
            np.frombuffer(parts, np.int8),
            np.frombuffer(number, np.float64),
            np.frombuffer(label, np.int64),
            np.frombuffer(text, np.int64),
            np.ones(len(parts), bool),
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


@dataclass
class _Rows:
    """What a survey keeps of the rows of one part of the source; arrays of one value for each row.

    Attributes:
        part: the part of the split it falls into, a position in `_PARTS`.
        number: what `draw` gives for it.
        label: the number of its label; for several labels, of the set of them.
        text: the number of its text, the same for the same text in all parts of the source; empty
            where texts are not compared.
        used: whether it is used; cleared by what leaves rows out.
    """

    part: np.ndarray
    number: np.ndarray
    label: np.ndarray
    text: np.ndarray
    used: np.ndarray

    def of(self, part: str) -> np.ndarray:
        """Returns which of the rows are of `part` and used, bool `[rows]`."""
        return self.used & (self.part == _PARTS.index(part))


def _names_in_training(rows: _Rows, label_numbers: dict[tuple[str, ...], int]) -> set[str]:
    numbers = set(rows.label[rows.of("train")].tolist())
    return {name for label, number in label_numbers.items() if number in numbers for name in label}


def digest(text: str) -> bytes:
    """Returns 16 bytes that tell texts apart; white space around them does not count."""
    return blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _leave_out_repeated(rows: _Rows) -> list[str]:
    """Leaves out all of a text that has different labels, and all but the first of others."""
    kinds = int(rows.label.max()) + 1
    pairs = np.unique(rows.text * kinds + rows.label)  # of a text and a label of it
    texts, labels_of_text = np.unique(pairs // kinds, return_counts=True)
    contradicted = texts[labels_of_text > 1]
    contradicting = np.isin(rows.text, contradicted)
    repeating = ~contradicting
    repeating[np.unique(rows.text, return_index=True)[1]] = False
    rows.used &= ~contradicting & ~repeating
    notes = []
    if contradicted.size:
        notes.append(
            f"left out {_texts(contradicted.size, contradicting.sum())} that stand there with "
            "different labels"
        )
    if count := int(repeating.sum()):
        noun = "1 row that repeats" if count == 1 else f"{count:,} rows that repeat"
        notes.append(f"left out {noun} an earlier text")
    return notes


def _leave_out_leaks(all_rows: list[_Rows], more: _Rows | None = None) -> list[str]:
    """Leaves out of each part the texts that also stand in a part it is measured by.

    Args:
        all_rows: of all parts of the source.
        more: rows of another source for training, of which alone to leave out; default none.
    """
    notes = []
    leaky_rows = all_rows if more is None else [more]
    for part, kind, measures in (
        ("validation", "validation", ("test",)),
        ("train", "training", ("test", "validation")),
    ):
        for measure in measures:
            held_out = np.concatenate([rows.text[rows.of(measure)] for rows in all_rows])
            texts, count = set(), 0
            for rows in leaky_rows:
                leaking = rows.of(part) & np.isin(rows.text, held_out)
                rows.used &= ~leaking
                texts.update(rows.text[leaking].tolist())
                count += int(leaking.sum())
            if count:
                shown = _texts(len(texts), count, f"{kind} ")
                notes.append(f"left out {shown} that also stand in {measure}")
    return notes


def _texts(texts: int, rows: int, kind: str = "") -> str:
    noun = f"1 {kind}text" if texts == 1 else f"{texts:,} {kind}texts"
    return noun if rows == texts else f"{noun} ({rows:,} rows)"


def split_examples(
    source: Source,
    *,
    more: Sequence[Source] = (),
    test_share: float = 0.1,
    validation_share: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
    deduplicate: bool = False,
    remove_leaks: bool = False,
) -> Split:
    """Divides a source into train, validation and test.

    The source's own test part is used whole, and so is its own validation part. What it does not
    bring is taken from its training rows by `part_of`. The source is read once, to count.

    Args:
        source: what `open_source` gives.
        more: further sources, whose first parts are used for training only. Texts that are held out
            for validation or test are left out, and counted in the notes.
        test_share: share of the rows held out for the test if the source brings none; 0 for no
            test. Default: 0.1.
        validation_share: likewise for validation. Default: 0.1.
        seed: of the split. Default: 0.
        limit: use no more than so many rows of each part, drawn from all over it; more only where
            the first text drawn stands there more often. Default: all.
        deduplicate: in each part that the source brings, use the first row of a text only, and none
            of a text that has different labels there; white space around texts does not count.
            Default: all rows are used.
        remove_leaks: where the source brings its own test or validation part, leave out of training
            the texts that also stand there, and out of validation those that stand in test.
            Default: they are kept, and counted in the notes.

    Raises:
        InputError: if a share is out of range, if the rows are so few that a part would be empty,
            if all training rows are of one class, if one of `more` has a label that they have not,
            or lists of labels where they have one, or if a row cannot be read.
    """
    shares = {"test": test_share, "validation": validation_share}
    _check_shares(shares)
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; give 1 or more rows, or none for all")
    return Split(source, more, shares, seed, limit, deduplicate, remove_leaks)


def _sorted_labels(labels: set[str]) -> tuple[str, ...]:
    if all(label.removeprefix("-").isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))
