"""Training, validation and test pairs: a pair's part follows from its source text alone.

So all translations of a sentence fall on one side, and anybody can repeat the split.
"""

from collections.abc import Iterator, Sequence

from textlstm.data.pairs import Pair, PairSource
from textlstm.data.row_splitting import RowSplit, check_sizes, own_parts


class PairSplit(RowSplit):
    """Training, validation and test pairs of a source; made by `split_pairs`.

    Attributes:
        source: the source.
        parts: the parts there are, "train" first.
        counts: the number of pairs of each part.
        notes: one-line remarks to be printed, the sources' included.
    """

    nouns = "pair", "pairs"
    leaking = "with a source that also stands in a held-out part"

    @staticmethod
    def text_of(row: Pair) -> str:
        """Returns the text that decides on the part of a pair."""
        return row.source

    def pairs(self, part: str) -> Iterator[Pair]:
        """Reads one part, as `rows`."""
        return self.rows(part)


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
    check_sizes(sizes, limit, "pairs")
    own = own_parts(source, test_part)
    return PairSplit(source, more, own, sizes, seed, limit, remove_leaks)
