"""The tokenizer: a Keras layer around a SentencePiece model.

In Python, training and bulk work go through the `sentencepiece` package (`encode`, `decode`).
Segmentations for subword regularisation are drawn by `sampling` (`sample`, `resample`).
In a graph (`call`, `graph`) the same model is made of stock TensorFlow operations, which give the
same ids; see `graph`. TensorFlow is imported only when these are used.
"""

import base64
import binascii
import collections
import io
import itertools
import math
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import sentencepiece

from textlstm.errors import InputError
from textlstm.tokenizers.plain_models import byte_model, word_model
from textlstm.tokenizers.sampling import SegmentationSampler
from textlstm.tokenizers.sentencepiece_model import SentencePieceTables, parse_model

# SentencePiece skips training lines of more than 4,192 bytes; a character has up to four.
LINE_CHARACTERS = 1000
# What a training line cannot hold: NUL, tab (it parts entries inside the trainer) and U+2585
# (it stands for unknown characters there). Lines with those would be skipped or mangled.
NOT_IN_LINES = str.maketrans("\0\t\u2585", "   ")


@keras.saving.register_keras_serializable(package="textlstm")
class SentencePieceTokenizer(keras.layers.Layer):
    """Turns text into ids and back with a SentencePiece model.

    Every encoded text ends with the end mark, so that not even an empty one gives an empty row.
    A model that has no padding or end piece gets these ids added behind its last piece: the end
    id first, then the padding id.

    Args:
        model: The serialized model (the bytes of a `.model` file) of type unigram, bpe or char.
            Also the text that `get_config` makes of it.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        texts: string tensor [batch]. TensorFlow backend only.

    Returns:
        `(ids, lengths)`: int32 [batch, longest], padded on the right, and int32 [batch], the end
        mark included.

    Raises:
        InputError: If `model` is no SentencePiece model, or is one of type word.

    Example:
        >>> tokenizer = SentencePieceTokenizer.train(["a small text"], vocabulary_size=100)
        >>> tokenizer.decode(tokenizer.encode("a text"))
        'a text'
    """

    def __init__(self, model: bytes | str, **kwargs: Any):
        # Ids are counted, not computed with: a dtype policy does not apply to them.
        super().__init__(**{"trainable": False, **kwargs})
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self._model = _unpack(model)
        self._tables = SentencePieceTables(self._model)
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(self._model)
        except RuntimeError as error:
            raise InputError(
                f"`model` is not a usable SentencePiece model: {error}; give the bytes of a "
                "`.model` file."
            ) from error
        self._graph = None
        self._sampler = None

        size = self._processor.get_piece_size()
        self._num_pieces = size
        self._end_id = self._processor.eos_id()
        if self._end_id < 0:
            self._end_id = size
            size += 1
        self._pad_id = self._processor.pad_id()
        if self._pad_id < 0:
            self._pad_id = size
            size += 1
        self._vocabulary_size = size

    # ---------------------------------------------------------------------------------------
    # Making, reading, writing
    # ---------------------------------------------------------------------------------------

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int = 8000,
        model_type: str = "unigram",
        *,
        character_coverage: float = 0.9995,
        byte_fallback: bool = False,
        normalization: str = "nmt_nfkc",
        user_defined_symbols: Sequence[str] = (),
        exact: bool = False,
        max_sentences: int = 1_000_000,
        seed: int = 0,
        **options: Any,
    ) -> "SentencePieceTokenizer":
        """Trains a tokenizer. The same texts and arguments give the same tokenizer.

        Texts are read once and written to a temporary file, line by line. Lines of more than
        1,000 characters are cut at a space, as SentencePiece would leave longer ones out.

        Args:
            texts: Any iterable of strings.
            vocabulary_size: Number of ids, padding (0), unknown (1), begin (2) and end (3)
                included. Texts with less to tell apart give a smaller vocabulary.
            model_type: `"unigram"`, `"bpe"` or `"char"`.
            character_coverage: Share of the characters of the texts that get a piece; the rarest
                others are unknown. 0.9995 suits Chinese or Japanese, 1.0 small alphabets.
            byte_fallback: Whether unknown characters are spelled as UTF-8 bytes (256 more ids).
            normalization: `"nmt_nfkc"`, `"nfkc"`, `"nmt_nfkc_cf"` (also lower-cases),
                `"nfkc_cf"` or `"identity"`.
            user_defined_symbols: Strings that are always one piece.
            exact: Whether decoding gives a text back as it was, for models that write: nothing is
                normalized, no space is put before a text or taken out of it, and a line break is a
                piece. Unknown characters are still lost, unless there is a `byte_fallback`.
            max_sentences: Of more lines, a random sample of this size is used.
            seed: Of that sample.
            **options: More options of `sentencepiece.SentencePieceTrainer`.

        Returns:
            The tokenizer.

        Raises:
            InputError: If there is no text, or the vocabulary is smaller than the number of
                characters to cover.
        """
        if model_type not in ("unigram", "bpe", "char"):
            raise InputError(
                f"`model_type` is {model_type!r}; choose one of 'unigram', 'bpe', 'char'."
            )
        if exact:
            normalization = "identity"
            user_defined_symbols = [*user_defined_symbols, "\n"]
            options = {
                "add_dummy_prefix": False,
                "remove_extra_whitespaces": False,
                "allow_whitespace_only_pieces": True,
                **options,
            }
        options = {
            "model_type": model_type,
            "character_coverage": character_coverage,
            "byte_fallback": byte_fallback,
            "normalization_rule_name": normalization,
            "user_defined_symbols": list(user_defined_symbols),
            "input_sentence_size": max_sentences,
            "shuffle_input_sentence": True,
            "hard_vocab_limit": model_type == "bpe",
            "pad_id": 0,
            "unk_id": 1,
            "bos_id": 2,
            "eos_id": 3,
            "minloglevel": 2,
            **options,
        }
        with tempfile.TemporaryDirectory(prefix="textlstm-") as folder:
            path = os.path.join(folder, "lines.txt")
            count = 0
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                for line in _lines(texts):
                    file.write(line + "\n")
                    count += 1
            if not count:
                raise InputError(
                    "`texts` holds no text to train a tokenizer on; every text was empty."
                )
            return cls(_train([path], vocabulary_size, seed, options))

    @classmethod
    def from_file(cls, path: str | os.PathLike, **kwargs: Any) -> "SentencePieceTokenizer":
        """Reads a `.model` file.

        Args:
            path: The file.
            **kwargs: Of the constructor.

        Returns:
            The tokenizer.

        Raises:
            InputError: If there is no such file or it holds no supported model.
        """
        try:
            with open(path, "rb") as file:
                model = file.read()
        except OSError as error:
            raise InputError(
                f"The SentencePiece model {os.fspath(path)!r} cannot be read "
                f"({error.strerror}); give the path of a `.model` file."
            ) from error
        try:
            return cls(model, **kwargs)
        except InputError as error:
            raise InputError(f"{os.fspath(path)!r}: {error}") from error

    @classmethod
    def of_bytes(cls, **kwargs: Any) -> "SentencePieceTokenizer":
        """Makes a tokenizer whose ids are the bytes of a text's UTF-8; it knows every text.

        Args:
            **kwargs: Of the constructor.
        """
        return cls(byte_model(), **kwargs)

    @classmethod
    def of_words(cls, words: Iterable[str], **kwargs: Any) -> "SentencePieceTokenizer":
        """Makes a tokenizer of a given word list, for texts whose words spaces part.

        Args:
            words: Each once, the most frequent first, where a head is to make use of that. What
                is not among them is unknown: one token, or, where it begins like a word of the
                list, that and an unknown rest; several in a row are one token. A line feed among
                them makes a line break a word; else it parts words as a space does.
            **kwargs: Of the constructor.

        Raises:
            InputError: If there is no word, or a word is empty, comes twice, or holds a space, a
                line break, "▁" (U+2581) or NUL.
        """
        return cls(word_model(words), **kwargs)

    def save_model(self, path: str | os.PathLike) -> None:
        """Writes the model as a `.model` file, which `sentencepiece` itself reads, too.

        Args:
            path: of the file, which is overwritten.
        """
        with open(path, "wb") as file:
            file.write(self._model)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, the model as text."""
        packed = base64.b64encode(zlib.compress(self._model, 9)).decode("ascii")
        return {**super().get_config(), "model": packed}

    # ---------------------------------------------------------------------------------------
    # What the model is
    # ---------------------------------------------------------------------------------------

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, added ones included."""
        return self._vocabulary_size

    @property
    def pad_id(self) -> int:
        """The id that fills rows up."""
        return self._pad_id

    @property
    def unknown_id(self) -> int:
        """The id of what has no piece."""
        return self._tables.unknown_id

    @property
    def begin_id(self) -> int | None:
        """The id of the begin mark, or `None` if the model has none."""
        begin = self._processor.bos_id()
        return begin if begin >= 0 else None

    @property
    def end_id(self) -> int:
        """The id of the end mark."""
        return self._end_id

    @property
    def pieces(self) -> list[str]:
        """The pieces by id; "▁" stands for a space. Added ids are `</s>` and `<pad>`."""
        pieces = list(self._tables.pieces)
        if self._end_id >= self._num_pieces:
            pieces.append("</s>")
        if self._pad_id >= self._num_pieces:
            pieces.append("<pad>")
        return pieces

    # ---------------------------------------------------------------------------------------
    # In Python
    # ---------------------------------------------------------------------------------------

    def encode(
        self, texts: str | bytes | Sequence[str | bytes], add_end: bool = True
    ) -> np.ndarray | list[np.ndarray]:
        """Turns texts into ids, with all processor cores.

        Args:
            texts: A text or a sequence of texts. `bytes` are taken as they are: every byte that
                is not part of well-formed UTF-8 counts as U+FFFD. In a `str`, two surrogates
                that make a pair count as their character, and lone ones as U+FFFD.
            add_end: Whether to append the end mark.

        Returns:
            int32 [length] for each text.

        Raises:
            InputError: If a text is neither `str` nor `bytes`.
        """
        if isinstance(texts, str | bytes):
            return self._encode_all([texts], add_end)[0]
        texts = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
        return self._encode_all(texts, add_end)

    def _encode_all(self, texts: list[str | bytes], add_end: bool) -> list[np.ndarray]:
        for i, text in enumerate(texts):
            if not isinstance(text, str | bytes):
                raise InputError(
                    f"`texts[{i}]` is of type {type(text).__name__}; give str or bytes."
                )
        # An end mark of the model's own is appended in C++.
        own_end = add_end and self._end_id < self._num_pieces
        threads = 1 if len(texts) < 16 else -1
        try:
            rows = self._processor.EncodeAsNumpy(texts, add_eos=own_end, num_threads=threads)
        except (RuntimeError, TypeError, UnicodeError):
            # Strings with surrogates are no UTF-8, and the package refuses them.
            texts = [_without_surrogates(t) if isinstance(t, str) else t for t in texts]
            rows = self._processor.EncodeAsNumpy(texts, add_eos=own_end, num_threads=threads)
        if add_end and not own_end:
            return [np.append(row, np.int32(self._end_id)) for row in rows]
        return [row.copy() for row in rows]

    def sample(
        self,
        texts: str | bytes | Sequence[str | bytes],
        *,
        alpha: float = 0.1,
        seed: int | Sequence[int],
    ) -> np.ndarray | list[np.ndarray]:
        """Turns texts into ids of segmentations that are drawn at random.

        A model that sees other segmentations of its training texts in every epoch does not rest
        on single ones. With a unigram model each segmentation has the probability

            p(segmentation) ∝ p_unigram(segmentation) ^ alpha

        and with a BPE model each merge is left out with probability `alpha` (BPE-dropout). What
        is no ordinary piece, such as user-defined symbols and bytes, stays as it is. Every draw
        decodes to what `encode` decodes to. The same texts, `alpha` and `seed` give the same ids,
        in any process.

        Args:
            texts: As in `encode`.
            alpha: With a unigram model 0 or more: from 0 for all segmentations alike to large
                numbers for the one of `encode`. With a BPE model in [0, 1]: from 0 for the
                segmentation of `encode` to 1 for single characters. Default: 0.1.
            seed: One number, or several (such as seed, epoch and batch).

        Returns:
            int32 [length] for each text, the end mark included.

        Raises:
            InputError: If `alpha` is out of its range, or the model is of type char, which has
                one segmentation only.

        References:
            - Kudo, Subword Regularization, ACL 2018.
            - Provilkov et al., BPE-Dropout, ACL 2020.
        """
        rows = self.encode(texts)
        if isinstance(rows, np.ndarray):
            return self.resample([rows], alpha=alpha, seed=seed)[0]
        return self.resample(rows, alpha=alpha, seed=seed)

    def resample(
        self, rows: Sequence[np.ndarray], *, alpha: float = 0.1, seed: int | Sequence[int]
    ) -> list[np.ndarray]:
        """Draws segmentations as `sample` does, of texts that are encoded already.

        Args:
            rows: int32 [length] each, as `encode` gives them, each ended by the end mark.
            alpha: As in `sample`.
            seed: As in `sample`.

        Returns:
            int32 [length] for each row, the end mark included.

        Raises:
            InputError: As `sample`, or if a row does not end with the end mark.
        """
        kind = self._tables.model_type
        if kind == "char":
            raise InputError(
                "A model of type 'char' has one segmentation of each text, so there is nothing to "
                "sample; train a tokenizer of type unigram or bpe."
            )
        if not 0 <= alpha <= (1 if kind == "bpe" else math.inf):
            most = "from 0 to 1" if kind == "bpe" else "0 or more"
            raise InputError(f"`alpha` is {alpha!r}; give {most} with a model of type {kind!r}.")
        for i, row in enumerate(rows):
            if not len(row) or row[-1] != self._end_id:
                raise InputError(
                    f"`rows[{i}]` does not end with the end mark {self._end_id}; give rows as "
                    "`encode` gives them."
                )
        if self._sampler is None:
            self._sampler = SegmentationSampler(self._tables, self._end_id)
        return self._sampler.sample(rows, alpha, np.random.default_rng(seed))

    def decode(self, ids: Any) -> str | list[str]:
        """Turns ids back into text.

        Args:
            ids: A sequence of ids, or a sequence of such sequences (an array with padding, too).
                Padding, begin and end marks give nothing.

        Returns:
            A string for each sequence.

        Raises:
            InputError: If an id is not an integer from 0 to `vocabulary_size - 1`.
        """
        ids = ids if isinstance(ids, list | tuple) else np.asarray(ids)
        many = (
            (ids.ndim > 1)
            if isinstance(ids, np.ndarray)
            else (len(ids) > 0 and any(np.ndim(row) > 0 for row in ids))
        )
        rows = [self._model_ids(row, i) for i, row in enumerate(ids if many else [ids])]
        # The package cannot tell an empty batch from an empty sequence.
        texts = self._processor.Decode(rows) if rows else []
        return texts if many else texts[0]

    def _model_ids(self, row: Any, index: int) -> np.ndarray:
        row = np.asarray(row)
        if row.size == 0:
            return np.zeros([0], np.int32)
        if row.ndim != 1 or row.dtype.kind not in "iu":
            raise InputError(
                f"`ids` holds in row {index} {row.dtype} values of shape {row.shape}; give "
                "sequences of integers."
            )
        wrong = (row < 0) | (row >= self._vocabulary_size)
        if wrong.any():
            raise InputError(
                f"`ids` holds {int(row[wrong][0])} in row {index} at place "
                f"{int(np.argmax(wrong))}; ids go from 0 to {self._vocabulary_size - 1}."
            )
        return row[row < self._num_pieces].astype(np.int32)

    # ---------------------------------------------------------------------------------------
    # In a graph
    # ---------------------------------------------------------------------------------------

    @property
    def graph(self):
        """The model as graph operations: a `SentencePieceGraph`, made at the first use."""
        if self._graph is None:
            try:
                import tensorflow as tf
            except ImportError as error:
                raise InputError(
                    "The graph of a tokenizer needs TensorFlow, which is not installed; use "
                    "`encode` and `decode`, or install tensorflow."
                ) from error
            from textlstm.tokenizers.graph import SentencePieceGraph

            # The first use may be inside of a graph, where its variables must not live.
            with tf.init_scope():
                self._graph = SentencePieceGraph(self._tables, self._pad_id, self._end_id)
        return self._graph

    def call(self, texts):
        """Turns a string tensor [batch] into ids and lengths."""
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "A tokenizer can be called on tensors only with Keras's TensorFlow backend, not "
                f"with {keras.backend.backend()!r}; use `encode` before the model."
            )
        return self.graph.encode(texts)

    def compute_output_shape(self, input_shape):
        """Returns the shapes of ids and lengths."""
        return (input_shape[0], None), (input_shape[0],)

    def compute_output_spec(self, texts):
        """Returns the symbolic ids and lengths."""
        return tuple(
            keras.KerasTensor(shape, dtype="int32")
            for shape in self.compute_output_shape(texts.shape)
        )


def suggest_vocabulary_size(texts: Iterable[str], character_coverage: float = 0.9995) -> int:
    """Suggests how many pieces a classifier's tokenizer should have, by the amount of text.

    One piece for every 600 characters of text, so that each is seen often enough to be learned; at
    most 16,000, at least 2,000, and at least a half more than the characters alone need.

    Args:
        texts: any iterable of strings; it is read once.
        character_coverage: share of the characters that get a piece, as in `train`.

    Returns:
        The size to give to `SentencePieceTokenizer.train`.
    """
    counts = collections.Counter(itertools.chain.from_iterable(texts))
    total = counts.total()
    needed, covered = 0, 0
    for _, count in counts.most_common():
        if covered >= character_coverage * total:
            break
        needed, covered = needed + 1, covered + count
    return max(min(total // 600, 16_000), 2_000, needed * 3 // 2)


def _unpack(model: bytes | str) -> bytes:
    """Returns the bytes of a model, also from the text that `get_config` makes of them."""
    if isinstance(model, bytes):
        return model
    if not isinstance(model, str):
        raise InputError(
            f"`model` is of type {type(model).__name__}; give the bytes of a `.model` file."
        )
    try:
        return zlib.decompress(base64.b64decode(model, validate=True))
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InputError(
            f"`model` is a text of {len(model)} characters that holds no packed model ({error}); "
            "give the bytes of a `.model` file, or use `SentencePieceTokenizer.from_file(path)`."
        ) from error


def _without_surrogates(text: str) -> str:
    """Joins pairs of surrogates to characters and makes U+FFFD of lone ones."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Cuts texts into lines that SentencePiece takes whole."""
    if isinstance(texts, str | bytes):
        raise InputError("`texts` is one text; give an iterable of texts.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"`texts` gave as text {i} a {type(text).__name__}; give str.")
        if not text.isascii():
            text = _without_surrogates(text)
        for line in text.translate(NOT_IN_LINES).splitlines():
            while len(line) > LINE_CHARACTERS:
                cut = line.rfind(" ", LINE_CHARACTERS // 2, LINE_CHARACTERS)
                cut = cut if cut > 0 else LINE_CHARACTERS
                yield line[:cut]
                line = line[cut:]
            if line.strip():
                yield line


def _train(paths: list[str], vocabulary_size: int, seed: int, options: dict[str, Any]) -> bytes:
    """Trains a model on files of lines; takes a smaller vocabulary where the texts ask for it."""
    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(seed)
    try:
        sentencepiece.SentencePieceTrainer.train(
            input=paths, model_writer=model, vocab_size=vocabulary_size, **options
        )
    except (RuntimeError, ValueError, OSError) as error:
        message = str(error)
        largest = re.search(r"too high \(\d+\).*<= (\d+)", message)
        if largest and int(largest[1]) < vocabulary_size:
            return _train(paths, int(largest[1]), seed, options)
        needed = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
        if needed:
            raise InputError(
                f"`vocabulary_size` is {vocabulary_size}, but the characters of the texts alone "
                f"need {needed[1]} ids; increase it, or decrease `character_coverage`."
            ) from error
        raise InputError(f"SentencePiece cannot train on these texts: {message}") from error
    # The model records where it read from: a temporary place, of no use to anybody.
    proto = parse_model(model.getvalue())
    proto.trainer_spec.ClearField("input")
    return proto.SerializeToString(deterministic=True)
