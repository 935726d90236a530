"""What every reader of running text gives: texts without labels, one at a time, in parts."""

from collections.abc import Iterator
from dataclasses import dataclass

from textlstm.data.parted_source import PartedSource


@dataclass(frozen=True, slots=True)
class Text:
    """One text: a file, or a paragraph, line or row of one.

    Attributes:
        text: the text as it stands in its file, its line ends as line feeds.
        where: where it stands, such as "poems.txt:12"; used in messages.
    """

    text: str
    where: str

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing but white space."""
        return not self.text.strip()


class TextSource(PartedSource):
    """A source of texts to model; empty ones are left out."""

    empty_row = "text", "texts", "with nothing in it"
    needed = "text"

    def texts(self, part: str) -> Iterator[Text]:
        """Reads one part, as `rows`."""
        return self.rows(part)
