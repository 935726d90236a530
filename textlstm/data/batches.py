"""Batches of rows of like length, for `fit`, `evaluate` and `predict` on every Keras backend."""

from collections.abc import Callable

import keras
import numpy as np

from textlstm.data.corpus import EncodedCorpus

_NARROWEST = 8


def bucket_widths(longest: int) -> np.ndarray:
    """Returns the widths that batches may have: 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ...

    They grow geometrically, four to a doubling, so that padding costs a fifth at the very most and
    texts of up to 1,024 tokens need 29 shapes only: each shape is compiled once.

    Args:
        longest: the length of the longest row; the last width is at least that.
    """
    widths = [_NARROWEST]
    while widths[-1] < longest:
        # 8, 10, 12, 14 quarters of the power of two below.
        doubling, quarter = divmod(len(widths), 4)
        widths.append(_NARROWEST * 2**doubling * (4 + quarter) // 4)
    return np.array(widths, np.int64)


class BucketedBatches(keras.utils.PyDataset):
    """Rows of a corpus, in batches of like length, padded at the right.

    Every row is in exactly one batch of an epoch. A row goes to the bucket of the least width that
    holds it (`bucket_widths`); the rows left over when a bucket is cut into batches join the next
    wider one. Where there is none of at most twice the width of any of them, they are a batch of
    their own, which is not full: a single long text does not lengthen those that are short.

    **The shapes of the batches are the same in every epoch**, only their order and their rows
    change. What is compiled for a shape is compiled in the first epoch, and epochs take equally
    long.

    **The first two batches differ in width, and in size, if any two batches do.** Keras takes the
    shapes of batches 0 and 1 for those of all: where the two agree, a later batch that does not is
    refused. Such a pair always exists: if every pair agreed in width or in size, then all would
    agree in one of them.

    **With `sample` the rows are other ids of the same texts in every epoch**, drawn for each batch
    by a seed of its own. They may be longer, so a batch gets the least of the widths that holds its
    longest row, and the shapes of the epochs differ; the widths are still those few.

    **An epoch is a pure function of seed and epoch number.** A run that was cut off goes on as if
    it had not been: set `epoch` to the number of epochs done. Under `fit`, the epoch goes on by
    itself; a loop of one's own sets it. Give `shuffle=False` to `fit`, for Keras otherwise shuffles
    the order of batches once more, by Python's global random numbers; and no `steps_per_epoch`,
    for then Keras ends its epochs in the midst of these.

    Args:
        corpus: the rows.
        batch_size: rows in a batch. Default: 64.
        pad_id: the id that fills a row up.
        shuffle: whether rows and batches come in another order in every epoch. Otherwise rows come
            by their length, batches from narrow to wide but for the first two. Default: `True`.
        seed: of the shuffling. Default: 0.
        with_labels: whether batches hold labels. Default: `True`.
        sample_weights: one number for each row, or `None`. Default: `None`.
        max_batch_tokens: no batch holds more than so many ids, padding included, unless a single
            row does; wide buckets then have smaller batches. Default: no limit. It is not kept by
            what `sample` makes longer.
        sample: draws other ids of rows, for subword regularisation; called with the rows of a batch
            and `(seed, epoch, number of the batch)`. What is longer than the corpus's `max_tokens`
            is cut, the last id kept. Default: rows are as they are. An example:
            `lambda rows, seed: tokenizer.resample(rows, alpha=0.1, seed=seed)`.

    Batches:
        `ids`, or `(ids, labels)`, or `(ids, labels, weights)`: int32 `[batch, width]`, int32
        `[batch]` (where rows may have several labels float32 `[batch, labels]`), float32 `[batch]`.

    Raises:
        ValueError: for arguments that do not fit each other.
    """

    def __init__(
        self,
        corpus: EncodedCorpus,
        batch_size: int = 64,
        *,
        pad_id: int,
        shuffle: bool = True,
        seed: int = 0,
        with_labels: bool = True,
        sample_weights: np.ndarray | None = None,
        max_batch_tokens: int | None = None,
        sample: Callable[[list[np.ndarray], tuple[int, int, int]], list[np.ndarray]] | None = None,
    ):
        # One worker: making a batch takes a tenth of a millisecond, handing it over takes longer.
        super().__init__()
        if not len(corpus):
            raise ValueError("the corpus has no rows")
        if batch_size < 1 or (max_batch_tokens is not None and max_batch_tokens < 1):
            raise ValueError(f"must be 1 or more: {batch_size=}, {max_batch_tokens=}")
        if with_labels and corpus.labels is None:
            raise ValueError("the corpus has no labels; give with_labels=False")
        if sample_weights is not None:
            sample_weights = np.asarray(sample_weights, np.float32)
            if not with_labels or sample_weights.shape != (len(corpus),):
                raise ValueError(
                    f"sample_weights need labels and one number for each of the {len(corpus)} "
                    f"rows; {with_labels=}, the shape is {sample_weights.shape}"
                )
        self.corpus = corpus
        self.batch_size = batch_size
        self.pad_id = pad_id
        self.shuffle = shuffle
        self.seed = seed
        self.with_labels = with_labels
        self.sample_weights = sample_weights
        self.sample = sample
        self._cut_into_batches(batch_size, max_batch_tokens)
        if sample is not None and len(self._widths) < 2:
            raise ValueError(
                "with `sample` there must be two batches or more, for Keras takes the width of a "
                f"single one for that of all epochs; {len(corpus)} rows, {batch_size=}"
            )
        self.epoch = 0

    def _cut_into_batches(self, batch_size: int, max_batch_tokens: int | None) -> None:
        """Finds what is the same in all epochs: the bucket of each row, the shape of each batch."""
        lengths = self.corpus.lengths
        widths = bucket_widths(int(lengths.max()))
        sizes = np.full(len(widths), batch_size)
        if max_batch_tokens is not None:
            sizes = np.clip(max_batch_tokens // widths, 1, batch_size)
        # 8 bits suffice for rows of up to 2**62 tokens, and NumPy sorts them in linear time.
        self._bucket = np.searchsorted(widths, lengths).astype(np.uint8)
        # An epoch is the rows sorted by bucket, cut at fixed places. Because a bucket's last rows
        # that do not fill a batch stand before the next bucket's first, they join it.
        counts = np.bincount(self._bucket, minlength=len(widths))
        cuts, batch_widths = [0], []
        end = last_width = left_width = 0  # of the rows so far; of the last, of the first left over
        for width, size, count in zip(widths.tolist(), sizes.tolist(), counts.tolist()):
            if cuts[-1] < end and width > 2 * left_width:
                cuts.append(end)
                batch_widths.append(last_width)
            if cuts[-1] == end:
                left_width = width
            end, last_width = end + count, width if count else last_width
            while end - cuts[-1] >= size:
                cuts.append(cuts[-1] + size)
                batch_widths.append(width)
                left_width = width  # if any is left, for the narrower ones come first
        if cuts[-1] < end:
            cuts.append(end)
            batch_widths.append(last_width)
        self._cuts = np.array(cuts)  # [batches + 1]
        self._widths = np.array(batch_widths)  # [batches]

    @property
    def epoch(self) -> int:
        """The number of the epoch, from 0; it can be set."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = int(epoch)
        count = len(self._widths)
        if self.shuffle:
            rng = np.random.default_rng((self.seed, self._epoch))
            rows = rng.permutation(len(self.corpus))
            rows = rows[np.argsort(self._bucket[rows], kind="stable")]
            batches = rng.permutation(count)
        else:
            rows = np.argsort(self.corpus.lengths, kind="stable")
            batches = np.arange(count)
        self._begun = self._read_to_end = False
        self._rows = rows
        self._batches = self._with_telling_pair_first(batches)

    def _with_telling_pair_first(self, batches: np.ndarray) -> np.ndarray:
        """Moves two batches to the front that differ in width and size, as far as any two do."""
        shapes = np.stack([self._widths, np.diff(self._cuts)])[:, batches]  # [2, batches]
        kinds, kind = np.unique(shapes, axis=1, return_inverse=True)
        kind = kind.reshape(-1)
        # [kinds, kinds]: whether two kinds of batch differ in all that varies at all.
        varies = (kinds != kinds[:, :1]).any(axis=1)
        differ = (kinds[:, :, None] != kinds[:, None, :])[varies].all(axis=0)
        if not varies.any():
            return batches
        first = int(np.argmax(differ.any(axis=1)[kind]))
        second = int(np.argmax(differ[kind[first]][kind]))
        return np.concatenate([batches[[first, second]], np.delete(batches, [first, second])])

    @property
    def order(self) -> np.ndarray:
        """The corpus rows in the order in which this epoch's batches hold them.

        To put predictions back in place: `placed[batches.order] = predictions`.
        """
        return np.concatenate([self.rows(index) for index in range(len(self))])

    def rows(self, index: int) -> np.ndarray:
        """Returns the corpus rows of one batch."""
        batch = self._batches[index]
        return self._rows[self._cuts[batch] : self._cuts[batch + 1]]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> np.ndarray | tuple[np.ndarray, ...]:
        self._read_to_end |= index == len(self) - 1
        rows = self.rows(index)
        (ids,) = self._ids(index)
        if not self.with_labels:
            return ids
        if self.sample_weights is None:
            return ids, self.corpus.labels[rows]
        return ids, self.corpus.labels[rows], self.sample_weights[rows]

    @property
    def _sides(self) -> tuple[tuple[EncodedCorpus, int, Callable | None], ...]:
        """The corpora whose rows stand beside each other, with their padding and `sample`."""
        return ((self.corpus, self.pad_id, self.sample),)

    def _ids(self, index: int) -> list[np.ndarray]:
        """Returns the ids of a batch, int32 `[batch, width]` for each side."""
        if self.sample is None:
            rows, width = self.rows(index), int(self._widths[self._batches[index]])
            return [corpus.padded(rows, width, pad_id) for corpus, pad_id, _ in self._sides]
        sides = self._draw(index)
        width = _width_of(sides)
        if index == 1 and width == _width_of(self._draw(0)):
            width = int(bucket_widths(width + 1)[-1])  # the first two batches differ in width
        padded = []
        for rows, (_, pad_id, _) in zip(sides, self._sides, strict=True):
            ids = np.full((len(rows), width), pad_id, np.int32)
            for place, row in zip(ids, rows, strict=True):
                place[: len(row)] = row
            padded.append(ids)
        return padded

    def _draw(self, index: int) -> list[list[np.ndarray]]:
        """Returns for each side the rows of a batch as `sample` draws them, cut to `max_tokens`."""
        sides = []
        for corpus, _, sample in self._sides:
            rows = [corpus.ids(row) for row in self.rows(index)]
            rows = sample(rows, (self.seed, self.epoch, index))
            most = corpus.max_tokens
            if most is not None:
                rows = [r if len(r) <= most else np.append(r[: most - 1], r[-1]) for r in rows]
            sides.append(rows)
        return sides

    def on_epoch_begin(self) -> None:
        """Called by Keras before an epoch."""
        self._begun, self._read_to_end = True, False

    def on_epoch_end(self) -> None:
        """Called by Keras after an epoch: goes on to the next."""
        # Keras calls this also at the start of every `fit`, with no epoch begun, and on some
        # backends after a look at the first batch. Neither may use up an epoch.
        if self._begun and self._read_to_end:
            self.epoch += 1


def read_before(labels: np.ndarray, first_id: int) -> np.ndarray:
    """Returns what is read before each label, `[batch, time]`: `first_id`, then the labels."""
    read = np.roll(labels, 1, axis=1)  # what stood last is padding, or is never read
    read[:, 0] = first_id
    return read


def _width_of(sides: list[list[np.ndarray]]) -> int:
    """Returns the least width that a batch may have for these rows."""
    return int(bucket_widths(max(len(row) for rows in sides for row in rows))[-1])
