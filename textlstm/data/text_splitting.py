"""Training, validation and test texts: by their hashes, or, of few long texts, by their ends."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from textlstm.data.examples import PART_NAMES
from textlstm.data.row_splitting import RowSplit, check_sizes, leak_note, own_parts
from textlstm.data.splitting import check_part, digest
from textlstm.data.texts import Text, TextSource
from textlstm.errors import InputError

# With fewer texts than these a share of them is a matter of luck.
_MANY = 50


class TextSplit(RowSplit):
    """Training, validation and test texts of a source; made by `split_texts`.

    Attributes:
        source: the source.
        parts: the parts there are, "train" first.
        counts: the number of texts of each part.
        notes: one-line remarks to be printed, the sources' included.
    """

    nouns = "text", "texts"
    leaking = "found in a held-out part, too"

    @staticmethod
    def text_of(row: Text) -> str:
        """Returns the text that decides on the part it is in: itself."""
        return row.text

    def texts(self, part: str) -> Iterator[Text]:
        """Reads one part, as `rows`."""
        return self.rows(part)


class EndSplit:
    """Like `TextSplit`, for few and long texts: of each the end is held out; see `split_texts`.

    Args:
        source: the source.
        more: further sources, for training only.
        own: the parts for validation and test that the source brings.
        shares: of the characters of each text that are held out for the other parts.
        limit: the most texts of each part; `None` for all.
        remove_leaks: whether to leave out of training what also stands in the source's own parts.
    """

    def __init__(
        self,
        source: TextSource,
        more: Sequence[TextSource],
        own: dict[str, str],
        shares: dict[str, float],
        limit: int | None,
        remove_leaks: bool,
    ):
        self.source = source
        self._more = tuple(more)
        self._own = own
        self._shares = {part: share for part, share in shares.items() if share and part not in own}
        self._limit = limit
        self._remove_leaks = remove_leaks
        self._in_own_parts = {
            digest(row.text) for name in own.values() for row in source.texts(name)
        }
        base = [digest(row.text) for row in source.texts(source.parts[0])]
        # Of each of these the end is held out.
        self._held_out = self._in_own_parts.union(base)
        self.parts = tuple(
            part for part in PART_NAMES if part == "train" or part in own or part in self._shares
        )
        self.counts = {}
        for part in self.parts:
            self.counts[part] = sum(1 for _ in self.texts(part))
            if not self.counts[part]:
                raise InputError(
                    f"{source.name}: the texts are too short: nothing is left for {part}; give "
                    "more, or hold out less"
                )
        self.notes = [*source.notes, *(note for other in more for note in other.notes)]
        self.notes.append(f"held out for {' and '.join(self._shares)}: the end of each text")
        leaks = Counter({"train": sum(text in self._in_own_parts for text in base)})
        for other in more:
            rows = other.texts(other.parts[0])
            leaks[other.name] += sum(digest(row.text) in self._held_out for row in rows)
        for name, count in leaks.items():
            if count:
                left_out = name != "train" or remove_leaks
                self.notes.append(leak_note(TextSplit, count, name, left_out))

    def texts(self, part: str) -> Iterator[Text]:
        """Reads one part.

        Args:
            part: one of `parts`.

        Raises:
            InputError: if there is no such part, or a text cannot be read.
        """
        check_part(self, part)
        return islice(self._texts(part), self._limit)

    def _texts(self, part: str) -> Iterator[Text]:
        if part in self._own:
            yield from self.source.texts(self._own[part])
            return
        for row in self.source.texts(self.source.parts[0]):
            if part == "train" and self._remove_leaks and digest(row.text) in self._in_own_parts:
                continue
            piece = Text(self._cut(row.text)[part], row.where)
            if not piece.is_empty:
                yield piece
        if part == "train":
            for source in self._more:
                for row in source.texts(source.parts[0]):
                    if digest(row.text) not in self._held_out:
                        yield row

    def _cut(self, text: str) -> dict[str, str]:
        """Cuts a text: the last characters are for the test, those before for validation."""
        pieces, end, held_out = {}, len(text), 0.0
        for part, share in self._shares.items():
            held_out += share
            start = int(len(text) * (1 - held_out))
            pieces[part] = text[start:end]
            end = start
        return {"train": text[:end], **pieces}


def split_texts(
    source: TextSource,
    *,
    more: Sequence[TextSource] = (),
    test_part: str | None = None,
    test_size: float = 0.1,
    validation_size: float = 0.05,
    seed: int = 0,
    limit: int | None = None,
    remove_leaks: bool = False,
) -> TextSplit | EndSplit:
    """Divides a source of texts into train, validation and test.

    The source's own test part is used whole, and so is its own validation part. What it does not
    bring is taken from its training texts: where there are 50 or more, whole texts by their hashes,
    so that equal texts stand in one part; of fewer the end of each, the last characters for the
    test, those before them for validation.

    Args:
        source: what `open_texts` gives.
        more: further sources, whose first parts are used for training only. Texts that are held out
            are left out, and counted in the notes.
        test_part: the part of the source that is the test. Default: "test", if there is one.
        test_size: what is held out for the test if the source brings none: below 1 a share of the
            texts, or of the characters of each; else a number of texts; 0 for no test. Default:
            0.1.
        validation_size: likewise for validation. Default: 0.05.
        seed: of the split by hashes. Default: 0.
        limit: use no more than so many texts of each part. Default: all.
        remove_leaks: where the source brings its own test or validation part, leave out of training
            the texts that also stand there. Default: they are kept, and counted in the notes.

    Raises:
        InputError: if an argument is out of range, if a part would be empty, or if a text cannot be
            read.
    """
    sizes = {"test": test_size, "validation": validation_size}
    check_sizes(sizes, limit, "texts")
    own = own_parts(source, test_part)
    rows = source.rows(source.parts[0])
    is_many = sum(1 for _ in islice(rows, _MANY)) == _MANY
    cuts = any(size and part not in own for part, size in sizes.items())
    if is_many or not cuts:
        return TextSplit(source, more, own, sizes, seed, limit, remove_leaks)
    if any(size >= 1 for size in sizes.values()):
        raise InputError(
            f"{source.name}: of fewer than {_MANY} texts the end of each is held out; give sizes "
            "below 1, the shares of their characters"
        )
    return EndSplit(source, more, own, sizes, limit, remove_leaks)
