"""Pairs encoded once, as two corpora with the same rows, and their batches."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from textlstm.data.batches import BucketedBatches, read_before
from textlstm.data.corpus import EncodedCorpus, Encoder
from textlstm.errors import InputError

# Below so many tokens the ratio of two lengths says little.
_SHORT = 10


class EncodedPairs:
    """Token ids of texts and of their translations; made by `build`, or from disk by `open`.

    Args:
        source: the texts to translate.
        target: their translations, row by row.

    Raises:
        InputError: if one side has more rows than the other.
    """

    def __init__(self, source: EncodedCorpus, target: EncodedCorpus):
        check_same_count(len(source), len(target))
        self.source = source
        self.target = target

    def __len__(self) -> int:
        return len(self.source)

    @property
    def lengths(self) -> np.ndarray:
        """The length of the longer side of each pair, int32 `[rows]`."""
        return np.maximum(self.source.lengths, self.target.lengths)

    def subset(self, rows) -> "EncodedPairs":
        """Returns a view of some rows: their numbers, or one boolean for each row."""
        return EncodedPairs(self.source.subset(rows), self.target.subset(rows))

    def filtered(
        self, max_tokens: int, max_ratio: float | None = None
    ) -> tuple["EncodedPairs", list[str]]:
        """Leaves out pairs that are too long, or whose sides are of too different lengths.

        Args:
            max_tokens: the most tokens of a side, the end mark included.
            max_ratio: the most tokens of the longer side for one of the shorter; only pairs whose
                longer side has over 10 tokens are judged by it. Default `None`: any ratio.

        Returns:
            A view of the pairs that are left, and one-line remarks on the others, with their
            number.

        Raises:
            InputError: if no pair is left.
        """
        longer = self.lengths
        shorter = np.minimum(self.source.lengths, self.target.lengths)
        too_long = longer > max_tokens
        lopsided = np.zeros_like(too_long)
        if max_ratio is not None:
            lopsided = ~too_long & (longer > _SHORT) & (longer > max_ratio * shorter)
        notes = []
        for left_out, why in (
            (too_long, f"a side of more than {max_tokens} tokens"),
            (
                lopsided,
                f"one side over {max_ratio:g} times as long as the other" if max_ratio else "",
            ),
        ):
            if count := int(left_out.sum()):
                noun = "1 pair" if count == 1 else f"{count:,} pairs"
                notes.append(f"left out {noun} with {why}")
        kept = ~(too_long | lopsided)
        if not kept.any():
            raise InputError(f"all {len(self):,} pairs are left out: {'; '.join(notes)}")
        return self.subset(kept), notes

    @classmethod
    def build(
        cls,
        sources: Iterable[str | bytes],
        targets: Iterable[str | bytes],
        source_tokenizer: Encoder,
        target_tokenizer: Encoder,
        *,
        max_source_tokens: int | None = None,
        folder: str | Path | None = None,
    ) -> "EncodedPairs":
        """Encodes pairs.

        Args:
            sources: the texts to translate.
            targets: their translations.
            source_tokenizer: has `encode(list of strings)` and `end_id`.
            target_tokenizer: likewise for the translations.
            max_source_tokens: longer texts are cut to so many ids, the last still the end mark.
                Default: no row is cut.
            folder: where to write the corpora, `source` and `target`; neither may be there yet.
                Default: memory.

        Raises:
            InputError: if there are more texts than translations, or fewer, or none.
        """
        sides = [
            EncodedCorpus.build(
                texts, tokenizer, max_tokens=most, folder=folder and Path(folder) / name
            )
            for name, texts, tokenizer, most in (
                ("source", sources, source_tokenizer, max_source_tokens),
                ("target", targets, target_tokenizer, None),
            )
        ]
        return cls(*sides)

    @classmethod
    def open(cls, folder: str | Path) -> "EncodedPairs":
        """Opens what `build` wrote to `folder`."""
        return cls(*(EncodedCorpus.open(Path(folder) / name) for name in ("source", "target")))


def check_same_count(sources: int, targets: int) -> None:
    """Raises an `InputError` unless there are as many texts as translations."""
    if sources != targets:
        raise InputError(
            f"there are {sources:,} texts and {targets:,} translations; give one for each"
        )


class PairBatches(BucketedBatches):
    """Pairs of like length, in batches for a translator; both sides padded to the same width.

    In what order, of which shapes, and what `sample` does: as in `BucketedBatches`, by the length
    of the longer side.

    Args:
        pairs: the rows.
        batch_size: rows in a batch; default 64.
        source_pad_id: the id that fills up the texts.
        target_pad_id: the id that fills up the translations.
        begin_id: the id that the decoder reads before the first token.
        **options: `shuffle`, `seed`, `max_batch_tokens` of `BucketedBatches`.
        sample: draws other ids of the same texts, for subword regularisation: two functions, of
            the texts and of the translations, as in `BucketedBatches`. Default: none.

    Batches:
        `({"source": …, "target": …}, labels, weights)`: what the encoder reads, what the decoder
        reads (the translation without its last token, the begin mark before it), what the decoder
        is to say, each int32 `[batch, width]`; and float32 `[batch, width]`, 1 at the tokens and
        0 at the padding of the labels.
    """

    def __init__(
        self,
        pairs: EncodedPairs,
        batch_size: int = 64,
        *,
        source_pad_id: int,
        target_pad_id: int,
        begin_id: int,
        sample: tuple | None = None,
        **options,
    ):
        super().__init__(
            pairs, batch_size, pad_id=source_pad_id, with_labels=False, sample=sample, **options
        )
        self.target_pad_id = target_pad_id
        self.begin_id = begin_id

    @property
    def _sides(self) -> tuple:
        pairs, sample = self.corpus, self.sample or (None, None)
        return (
            (pairs.source, self.pad_id, sample[0]),
            (pairs.target, self.target_pad_id, sample[1]),
        )

    def __getitem__(self, index: int) -> tuple:
        self._read_to_end |= index == len(self) - 1
        source, labels = self._ids(index)
        read = read_before(labels, self.begin_id)
        weights = (labels != self.target_pad_id).astype(np.float32)
        return {"source": source, "target": read}, labels, weights
