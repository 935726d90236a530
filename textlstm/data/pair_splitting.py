"""Training, validation and test pairs: a pair's part follows from its source text alone.

So all translations of a sentence fall on one side, and anybody can repeat the split.
"""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from textlstm.data.examples import PART_NAMES
from textlstm.data.pairs import Pair, PairSource
from textlstm.data.splitting import digest, draw
from textlstm.errors import InputError

_PARTS = tuple(PART_NAMES)


class PairSplit:
    """Training, validation and test pairs of a source; made by `split_pairs`.

    Attributes:
        source: the source.
        parts: the parts there are, "train" first.
        counts: the number of pairs of each part.
        notes: one-line remarks to be printed, the sources' included.
    """

    def __init__(
        self,
        source: PairSource,
        more: Sequence[PairSource],
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
        # The stretch of [0, 1) from which a part takes the source texts that are drawn in it.
        self._stretches: dict[str, tuple[float, float]] = {}
        self._limits: dict[str, float] = {}
        self._leaks: set[bytes] = set()
        self._remove_leaks = remove_leaks
        self.parts = tuple(p for p in _PARTS if p == "train" or p in own or sizes.get(p))
        self._survey({p: size for p, size in sizes.items() if size and p not in own}, limit)

    def pairs(self, part: str) -> Iterator[Pair]:
        """Reads one part.

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
        for number, pair in self._drawn(part):
            if number < limit:
                yield pair

    def _drawn(self, part: str) -> Iterator[tuple[float, Pair]]:
        """Yields all pairs of a part with the numbers that are drawn for them."""
        if part in self._own:
            for pair in self.source.pairs(self._own[part]):
                yield draw(pair.source, self._seed), pair
            return
        low, high = self._stretches[part]
        is_train = part == "train"
        for pair in self.source.pairs(self.source.parts[0]):
            number = draw(pair.source, self._seed)
            if low <= number < high:
                if not (is_train and self._remove_leaks and self._is_held_out(pair)):
                    yield number, pair
        if is_train:
            for source in self._more:
                for pair in source.pairs(source.parts[0]):
                    if not self._is_held_out(pair):
                        yield draw(pair.source, self._seed), pair

    def _is_held_out(self, pair: Pair) -> bool:
        return digest(pair.source) in self._leaks

    def _survey(self, sizes: dict[str, float], limit: int | None) -> None:
        """Reads all once: where the parts begin and end, their counts, and what leaks."""
        base = array("d", (draw(p.source, self._seed) for p in self.source.pairs(self._base)))
        low = 0.0
        for part, size in sizes.items():
            high = _end_of_stretch(np.frombuffer(base, np.float64), low, size)
            self._stretches[part] = low, high
            low = high
        self._stretches["train"] = low, 1.0
        drawn = {}
        for part in ("test", "validation"):  # before training, whose leaks are found by them
            if part in self.parts:
                numbers = array("d")
                for number, pair in self._drawn(part):
                    numbers.append(number)
                    self._leaks.add(digest(pair.source))
                drawn[part] = np.array(numbers)
        drawn["train"] = np.fromiter((number for number, _ in self._drawn("train")), np.float64)
        for part, values in drawn.items():
            if not len(values):
                raise InputError(
                    f"{self.source.name}: {len(base):,} pairs are too few: none is left for "
                    f"{part}; give more, or hold out fewer"
                )
            if limit is not None and len(values) > limit:
                # The drawn numbers serve as a shuffle; translations of one sentence stay together.
                beyond_first = np.nextafter(values.min(), 1.0)
                self._limits[part] = float(max(np.partition(values, limit)[limit], beyond_first))
                drawn[part] = values[values < self._limits[part]]
        self.counts = {part: len(drawn[part]) for part in self.parts}
        self.notes = [*self.source.notes, *(note for more in self._more for note in more.notes)]
        self.notes += self._leak_notes()

    @property
    def _base(self) -> str:
        return self.source.parts[0]

    def _leak_notes(self) -> list[str]:
        notes = []
        removed = self._remove_leaks
        if self._own:
            count = sum(self._is_held_out(p) for p in self._of_train_stretch())
            if count and removed:
                notes.append(
                    f"left out {_pairs(count)} whose source also stands in a held-out part"
                )
            elif count:
                notes.append(
                    f"{_pairs(count)} of train have a source that also stands in a held-out part "
                    "(kept, as the data brings its own parts)"
                )
        for more in self._more:
            count = sum(self._is_held_out(pair) for pair in more.pairs(more.parts[0]))
            if count:
                notes.append(
                    f"left out {_pairs(count)} of {more.name} whose source stands in a "
                    "held-out part"
                )
        return notes

    def _of_train_stretch(self) -> Iterator[Pair]:
        low, high = self._stretches["train"]
        for pair in self.source.pairs(self._base):
            if low <= draw(pair.source, self._seed) < high:
                yield pair


def _end_of_stretch(numbers: np.ndarray, low: float, size: float) -> float:
    """Returns where a stretch ends that begins at `low` and holds a share, or a count, of rows."""
    if size < 1:
        return low + size
    free = np.sort(numbers[numbers >= low])
    return float(free[int(size)]) if int(size) < len(free) else 1.0


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"


def split_pairs(
    source: PairSource,
    *,
    more: Sequence[PairSource] = (),
    test_part: str | None = None,
    test_size: float = 0.05,
    validation_size: float = 0.05,
    seed: int = 0,
    limit: int | None = None,
    remove_leaks: bool = False,
) -> PairSplit:
    """Divides a source of pairs into train, validation and test.

    The source's own test part is used whole, and so is its own validation part. What it does not
    bring is taken from its training pairs, by the hash of the source text (`part_of` tells the same
    shares): all translations of a text stand in one part.

    Args:
        source: what `open_pairs` gives.
        more: further sources, whose first parts are used for training only. Pairs whose source
            text stands in a held-out part are left out, and counted in the notes.
        test_part: the part of the source that is the test, such as "test_2016_flickr". Default:
            "test", if there is one.
        test_size: what is held out for the test if the source brings none: below 1 a share of the
            pairs, else their number (a few less, where translations of one text are not to be
            parted); 0 for no test. Default: 0.05.
        validation_size: likewise for validation. Default: 0.05.
        seed: of the split. Default: 0.
        limit: use no more than so many pairs of each part, drawn from all over it. Default: all.
        remove_leaks: where the source brings its own test or validation part, leave out of training
            the pairs whose source text also stands there. Default: they are kept, and counted in
            the notes.

    Raises:
        InputError: if an argument is out of range, if the pairs are so few that a part would be
            empty, or if a row cannot be read.
    """
    sizes = {"test": test_size, "validation": validation_size}
    for part, size in sizes.items():
        if size < 0 or (size > 1 and size != int(size)):
            raise InputError(
                f"the size of {part} is {size}; give a share below 1, or a whole number of pairs"
            )
    if sum(size for size in sizes.values() if size < 1) >= 1:
        raise InputError(f"the shares {sizes} leave no pairs to train on; give smaller ones")
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; give 1 or more pairs, or none for all")
    own = {part: part for part in ("validation", "test") if part in source.parts}
    if test_part is not None:
        if test_part not in source.parts[1:]:
            raise InputError(
                f"{source.name}: there is no part {test_part!r} to test on; the parts are "
                f"{', '.join(source.parts)}"
            )
        own["test"] = test_part
    return PairSplit(source, more, own, sizes, seed, limit, remove_leaks)
