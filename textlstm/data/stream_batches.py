"""Batches for language models: windows over one long text, and rows that are whole texts."""

import keras
import numpy as np

from textlstm.data.batches import BucketedBatches, read_before
from textlstm.data.corpus import EncodedCorpus

# Windows vary in steps of this share of their usual length, so that their shapes stay few.
_GRAIN = 0.1


class StreamBatches(keras.utils.PyDataset):
    """Windows over all texts of a corpus, put behind each other as one long text.

    The long text is cut into `batch_size` parts that are read side by side, a window of each at a
    time: row r of a batch goes on where row r of the batch before ended. A model that carries its
    states from batch to batch thus reads each part as a whole, though its gradients reach back to
    the start of a window only (truncated back-propagation through time).

    Every token is to be foretold once in an epoch: the last part is padded where the parts do not
    come out even. The first window of an epoch begins behind an end mark, with no states.

    **Windows are of random length**, so that it is not always the same tokens that gradients cannot
    pass: nineteen in twenty are of about `window` tokens, the others of about half as many (Merity
    et al., 2018). **Their shapes are the same in every epoch**, only their order changes, and the
    order of the texts. The first two windows differ in length if any do, for Keras takes what they
    have in common for what all have. **An epoch is a pure function of seed and epoch number.**

    Args:
        corpus: the texts, each ended by its end mark.
        batch_size: parts that are read side by side; default 64.
        end_id: id of the end mark.
        pad_id: id that fills up the last part.
        window: tokens in most windows, about; default 70.
        vary: whether windows vary in length; default `True`. Otherwise they are as alike as can be,
            and no longer than `window`.
        reset: share of the rows that begin a window with no states, as a prompt does; default 0.
        shuffle: whether the texts come in another order in every epoch; default `True`.
        seed: of lengths and orders; default 0.

    Batches:
        `({"ids", "labels", "keep"}, labels, weights)`: the tokens read, int32 `[batch, time]`, and
        those that follow each, likewise; float32 `[batch, 1]`, 0 where a row begins with no states,
        else 1; float32 `[batch, time]`, 0 where there is padding.

    Raises:
        ValueError: if the corpus is empty or shorter than `batch_size`, or a number is below 1.

    References:
        - Williams and Peng, An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent
          Network Trajectories, Neural Computation 2(4), 1990.
        - Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models, ICLR 2018.
    """

    def __init__(
        self,
        corpus: EncodedCorpus,
        batch_size: int = 64,
        *,
        end_id: int,
        pad_id: int,
        window: int = 70,
        vary: bool = True,
        reset: float = 0.0,
        shuffle: bool = True,
        seed: int = 0,
    ):
        super().__init__()
        if batch_size < 1 or window < 1:
            raise ValueError(f"must be 1 or more: {batch_size=}, {window=}")
        if corpus.tokens < batch_size:
            raise ValueError(
                f"the texts have {corpus.tokens:,} tokens in all, fewer than the {batch_size} "
                "parts that are read side by side; give a smaller batch_size, or more text"
            )
        self.corpus = corpus
        self.batch_size = batch_size
        self.end_id = end_id
        self.pad_id = pad_id
        self.reset = reset
        self.shuffle = shuffle
        self.seed = seed
        self._steps = -(-corpus.tokens // batch_size)  # of each part
        self._lengths = self._cut(window, vary)
        self.epoch = 0

    def _cut(self, window: int, vary: bool) -> np.ndarray:
        """Returns the lengths of the windows, which together are as long as a part."""
        if not vary:  # alike, as Keras's mean of a validation weighs them alike
            count = -(-self._steps // window)
            return np.diff(-(-np.arange(count + 1) * self._steps // count))
        rng = np.random.default_rng(self.seed)
        grain = max(1, round(_GRAIN * window))
        lengths, left = [], self._steps
        while left > 0:
            mean = window if rng.random() < 0.95 else window / 2
            length = round(rng.normal(mean, _GRAIN * window) / grain) * grain
            lengths.append(min(max(grain, length), left))
            left -= lengths[-1]
        return np.array(lengths)

    @property
    def epoch(self) -> int:
        """The number of the epoch, from 0; it can be set."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = int(epoch)
        self._begun = self._read_to_end = False
        rng = np.random.default_rng((self.seed, self._epoch))
        texts, lengths = np.arange(len(self.corpus)), self._lengths
        if self.shuffle:
            texts, lengths = rng.permutation(texts), rng.permutation(lengths)
        different = np.flatnonzero(lengths != lengths[0])
        if len(different):  # the second window differs from the first
            lengths = lengths.copy()
            lengths[[1, different[0]]] = lengths[[different[0], 1]]
        self._starts = np.cumsum(lengths) - lengths
        self._ends = self._starts + lengths
        self._texts = texts
        self._parts = None  # [batch, steps + 1]: made when it is first asked for

    def _make_parts(self) -> np.ndarray:
        """Puts the texts behind each other; each part begins with the last token before it."""
        size = self._steps * self.batch_size
        whole = np.full(size + 1, self.pad_id, np.int32)
        whole[0] = self.end_id
        whole[1 : self.corpus.tokens + 1] = np.concatenate(
            [self.corpus.ids(text) for text in self._texts]
        )
        starts = self._steps * np.arange(self.batch_size)[:, None]
        return whole[starts + np.arange(self._steps + 1)]

    def __len__(self) -> int:
        return len(self._lengths)

    def __getitem__(self, index: int) -> tuple:
        self._read_to_end |= index == len(self) - 1
        if self._parts is None:
            self._parts = self._make_parts()
        start, end = self._starts[index], self._ends[index]
        labels = self._parts[:, start + 1 : end + 1]
        keep = np.zeros((self.batch_size, 1), np.float32)
        if index > 0:
            rng = np.random.default_rng((self.seed, self._epoch, index))
            keep[:, 0] = rng.random(self.batch_size) >= self.reset
        inputs = {"ids": self._parts[:, start:end], "labels": labels, "keep": keep}
        return inputs, labels, self._weights(start, end)

    def _weights(self, start: int, end: int) -> np.ndarray:
        """Returns 1 where a token is to be foretold, 0 behind the end of the last text."""
        at = self._steps * np.arange(self.batch_size)[:, None] + np.arange(start, end)
        return (at < self.corpus.tokens).astype(np.float32)

    def on_epoch_begin(self) -> None:
        """Called by Keras before an epoch."""
        self._begun, self._read_to_end = True, False

    def on_epoch_end(self) -> None:
        """Called by Keras after an epoch: goes on to the next."""
        # As of `BucketedBatches`: Keras calls this also where no epoch has ended.
        if self._begun and self._read_to_end:
            self.epoch += 1


class TextBatches(BucketedBatches):
    """Whole texts, one a row, in batches of like length: for a language model of short texts.

    Every row begins behind an end mark, with no states, as generation does.

    Args:
        corpus: the texts, each ended by its end mark.
        batch_size: texts in a batch; default 64.
        end_id: id of the end mark.
        **options: the other arguments of `BucketedBatches`, labels and weights excepted.

    Batches:
        `({"ids", "labels"}, labels, weights)`, as of `StreamBatches`.
    """

    def __init__(self, corpus: EncodedCorpus, batch_size: int = 64, *, end_id: int, **options):
        super().__init__(corpus, batch_size, with_labels=False, **options)
        self.end_id = end_id

    def __getitem__(self, index: int) -> tuple:
        labels = super().__getitem__(index)
        inputs = {"ids": read_before(labels, self.end_id), "labels": labels}
        return inputs, labels, (labels != self.pad_id).astype(np.float32)
