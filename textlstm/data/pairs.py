"""What every reader of translations gives: pairs of texts, one at a time, in parts."""

from collections.abc import Iterator
from dataclasses import dataclass

from textlstm.data.parted_source import PartedSource


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

    @property
    def is_empty(self) -> bool:
        """Whether one of the sides holds nothing but white space."""
        return not (self.source.strip() and self.target.strip())


class PairSource(PartedSource):
    """A source of pairs; pairs with an empty side are left out."""

    empty_row = "pair", "pairs", "with an empty side"
    needed = "pair of texts; give rows with both sides"

    def pairs(self, part: str) -> Iterator[Pair]:
        """Reads one part, as `rows`."""
        return self.rows(part)
