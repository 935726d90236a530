"""Word vectors that others trained, as the start of an embedding.

Read are the text formats of word2vec and fastText (a first line with the number of words and the
size of the vectors) and of GloVe (without), plain or gzipped, UTF-8: on each line a word and its
numbers, parted by single spaces. Several languages that share one space may come as several files.
"""

import gzip
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from textlstm.data.corpus import EncodedCorpus
from textlstm.data.examples import Example
from textlstm.data.reading import decode, readable
from textlstm.errors import InputError
from textlstm.tokenizers import SentencePieceTokenizer

# Scripts that put no spaces between words, as the names of their characters begin.
_WITHOUT_SPACES = tuple("CJK IDEOGRAPHIC HIRAGANA KATAKANA THAI LAO KHMER MYANMAR".split())


class WordVectors:
    """Words and their vectors; made by `load_word_vectors`.

    Args:
        words: the words, all different.
        vectors: float32 `[words, dim]`.
        duplicates: how many more lines held a word that was there already.

    Example:
        >>> vectors = load_word_vectors("glove.6B.100d.txt", words={"good", "bad"})
        >>> vectors["good"].shape
        (100,)
    """

    def __init__(self, words: Iterable[str], vectors: np.ndarray, duplicates: int = 0):
        self._rows = {word: row for row, word in enumerate(words)}
        self.vectors = vectors
        self.duplicates = duplicates

    @property
    def dim(self) -> int:
        """The size of a vector."""
        return self.vectors.shape[1]

    @property
    def words(self) -> list[str]:
        """The words, in the order of `vectors`."""
        return list(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, word: str) -> bool:
        return word in self._rows

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self._rows[word]]


def load_word_vectors(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    words: Collection[str] | None = None,
) -> WordVectors:
    """Reads files of word vectors, line by line.

    Where a word comes twice, in one file or in two, the first vector counts.

    Args:
        paths: one file or several, of vectors of one size; those that end in `.gz` are unpacked.
        words: the words to keep, for files that are larger than memory. Default: all.

    Returns:
        The words that were found, with their vectors.

    Raises:
        InputError: if a file cannot be read or is cut short, a line holds too few numbers or what
            is no number, or the sizes of the vectors differ.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not paths:
        raise InputError("`paths` names no file of word vectors; give one or more")
    wanted = None if words is None else {word.encode("utf-8", "replace") for word in words}
    found: dict[str, None] = {}  # the words, in order
    numbers = bytearray()  # of one vector after the other
    dim, duplicates = None, 0
    for path in paths:
        reader = _Reader(Path(path), dim)
        for word, vector in reader.lines(wanted):
            if word in found:
                duplicates += 1
            else:
                found[word] = None
                numbers += vector.tobytes()
        dim = reader.dim
    vectors = np.frombuffer(numbers, np.float32).reshape(-1, dim)
    return WordVectors(found, vectors, duplicates)


class _Reader:
    """One file of word vectors.

    Args:
        path: the file.
        dim: the size of the vectors of the files before it, or `None`.
    """

    def __init__(self, path: Path, dim: int | None):
        self.path = path
        self.dim = dim

    def lines(self, wanted: set[bytes] | None) -> Iterator[tuple[str, np.ndarray]]:
        """Yields words and vectors, `[dim]`; of `wanted` words, or all."""
        open_file = gzip.open if self.path.suffix == ".gz" else open
        with readable(str(self.path)), open_file(self.path, "rb") as file:
            promised, seen = None, 0
            for number, line in enumerate(file, start=1):
                line = line.rstrip(b" \r\n")
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                    promised = self._read_first(line)
                    if promised is not None:
                        continue
                if not line:
                    continue
                seen += 1
                word = self._word_of(line, number)
                if wanted is None or word in wanted:
                    text = decode(word, "utf-8", f"{self.path}:{number}")
                    yield text, self._vector_of(line[len(word) + 1 :], number)
            if not seen:
                raise InputError(f"{self.path}: holds no word vectors; give another file")
            if promised is not None and seen < promised:
                raise InputError(
                    f"{self.path}: ends after {seen:,} of the {promised:,} words that its first "
                    "line promises; fetch the file again"
                )

    def _read_first(self, line: bytes) -> int | None:
        """Finds the size of the vectors; returns the number of words if the line is a header."""
        fields = line.split(b" ")
        is_header = len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit()
        dim = int(fields[1]) if is_header else len(fields) - 1
        if dim < 1:
            raise InputError(
                f"{self.path}:1: holds {line[:40].decode('utf-8', 'replace')!r}, neither a word "
                "with its numbers nor the number of words and their size; give a text file of "
                "word vectors"
            )
        if self.dim is not None and dim != self.dim:
            raise InputError(
                f"{self.path}:1: has vectors of {dim} numbers, the files before it of {self.dim}; "
                "give files of one space"
            )
        self.dim = dim
        return int(fields[0]) if is_header else None

    def _word_of(self, line: bytes, number: int) -> bytes:
        # A word may hold spaces, so it is what stands before the last `dim` numbers.
        numbers = line.count(b" ")
        if numbers < self.dim:
            raise InputError(
                f"{self.path}:{number}: holds a word and {numbers} numbers, expected {self.dim}; "
                "mend the line or fetch the file again"
            )
        if numbers == self.dim:
            return line[: line.index(b" ")]
        return line.rsplit(b" ", self.dim)[0]

    def _vector_of(self, numbers: bytes, number: int) -> np.ndarray:
        fields = numbers.split(b" ")
        vector = _finite(fields)
        if vector is None:
            place = next(i for i, field in enumerate(fields) if _finite([field]) is None)
            raise InputError(
                f"{self.path}:{number}: number {place + 1} of {self.dim} is "
                f"{fields[place].decode('utf-8', 'replace')!r}, expected a finite number; mend the "
                "line or fetch the file again"
            )
        return vector


def _finite(fields: list[bytes]) -> np.ndarray | None:
    """Returns the numbers as float32, or `None` if one of them is no finite number."""
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            vector = np.array(fields, np.float32)
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() else None


@dataclass(frozen=True)
class VectorCoverage:
    """How much of a vocabulary has the vector of a word; its text says it in one line.

    Attributes:
        found: pieces that got a vector.
        pieces: pieces of the vocabulary, without the marks (padding, unknown, begin, end).
        tokens: share of the tokens of a corpus whose piece got one, in [0, 1], or `None`.
    """

    found: int
    pieces: int
    tokens: float | None = None

    def __str__(self) -> str:
        share = self.found / max(self.pieces, 1)
        text = f"vectors for {self.found:,} of {self.pieces:,} pieces ({share:.0%})"
        return text if self.tokens is None else f"{text}, {self.tokens:.0%} of the tokens"


def initialize_embedding(
    embedding: keras.layers.Embedding,
    tokenizer: SentencePieceTokenizer,
    vectors: WordVectors | str | os.PathLike | Sequence[str | os.PathLike],
    corpus: EncodedCorpus | Iterable[Example | str] | None = None,
) -> VectorCoverage:
    """Starts an embedding from word vectors.

    A piece gets the vector of the word that it spells, else of that word in lower case. Pieces
    that begin (or end) with a space, "▁word", spell a word. Of the others, which stand inside of
    words, only those do that are made of characters of scripts without spaces (Chinese, Japanese,
    Thai, Lao, Khmer, Burmese) or hold no letter (punctuation, digits). All other pieces keep the
    vectors they have, scaled to the standard deviation of those found, so that neither drowns the
    other.

    Args:
        embedding: the embedding, built, with a row for each id of the tokenizer; of a
            `TextClassifier`, `model.embedding`.
        tokenizer: the tokenizer; of a `TextClassifier`, `model.tokenizer`.
        vectors: word vectors, or the files to read them from; of files only the words that the
            tokenizer's pieces spell are kept in memory.
        corpus: texts, examples or an encoded corpus, in which to count the tokens that are
            covered. Default: they are not counted.

    Returns:
        The `VectorCoverage`.

    Raises:
        InputError: if the vectors have another size than those of the embedding, if it was made
            for another tokenizer, if a file cannot be read, or if `corpus` holds no text.

    Example:
        >>> model = TextClassifier(tokenizer, labels, embedding_dim=300)
        >>> print(initialize_embedding(model.embedding, tokenizer, "cc.en.300.vec.gz", texts))
        vectors for 6,120 of 8,000 pieces (77%), 91% of the tokens
    """
    spelled = _words_of_pieces(tokenizer)
    if not isinstance(vectors, WordVectors):
        vectors = load_word_vectors(vectors, {word for words in spelled for word in words})
    table = keras.ops.convert_to_numpy(embedding.embeddings).astype(np.float32)  # [ids, dim]
    if vectors.dim != table.shape[1]:
        raise InputError(
            f"the word vectors have {vectors.dim} numbers each, the embedding "
            f"{table.shape[1]}; make the model with embedding_dim={vectors.dim}"
        )
    if len(table) != tokenizer.vocabulary_size:
        raise InputError(
            f"the embedding has {len(table)} rows, the tokenizer {tokenizer.vocabulary_size} ids; "
            "give the tokenizer that the model was made with"
        )
    found = np.zeros(len(table), bool)
    for piece_id, words in enumerate(spelled):
        word = next((word for word in words if word in vectors), None)
        if word is not None:
            table[piece_id], found[piece_id] = vectors[word], True
    if found.any() and table[~found].std() > 0:
        table[~found] *= table[found].std() / table[~found].std()
    embedding.embeddings.assign(table)

    marks = _marks(tokenizer)
    covered = None
    if corpus is not None:
        counts = _count_tokens(corpus, tokenizer)  # [ids]
        # What is unknown is text; the other marks are not.
        counts[[mark for mark in marks if mark != tokenizer.unknown_id]] = 0
        covered = float(counts[found].sum() / max(counts.sum(), 1))
    return VectorCoverage(int(found.sum()), len(table) - len(marks), covered)


def _marks(tokenizer: SentencePieceTokenizer) -> list[int]:
    """Returns the ids that stand for no text."""
    ids = (tokenizer.pad_id, tokenizer.unknown_id, tokenizer.begin_id, tokenizer.end_id)
    return [i for i in ids if i is not None]


def _words_of_pieces(tokenizer: SentencePieceTokenizer) -> list[list[str]]:
    """Returns for each id the words whose vector it may get, the best first."""
    marks = _marks(tokenizer)
    spelled = []
    for piece_id, piece in enumerate(tokenizer.pieces):
        word = piece.strip("▁")
        whole = word != piece or all(_stands_alone(c) for c in word)
        if piece_id in marks or not word or not whole:
            spelled.append([])
        else:
            word = word.replace("▁", " ")
            spelled.append([word] if word == word.lower() else [word, word.lower()])
    return spelled


def _stands_alone(character: str) -> bool:
    """Whether a character can be a word, or part of one, without spaces around it."""
    if unicodedata.category(character)[0] in "LM":
        return unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
    return True


def _count_tokens(
    corpus: EncodedCorpus | Iterable[Example | str], tokenizer: SentencePieceTokenizer
) -> np.ndarray:
    """Returns how often each id occurs, int64 `[ids]`."""
    if not isinstance(corpus, EncodedCorpus):
        corpus = EncodedCorpus.build(corpus, tokenizer)
    counts = np.zeros(tokenizer.vocabulary_size, np.int64)
    for row in range(len(corpus)):
        np.add.at(counts, corpus.ids(row), 1)
    return counts
