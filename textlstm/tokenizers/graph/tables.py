"""The tables of a model inside of a graph, and how things are looked up in them.

`GraphTables` keeps the arrays of `SentencePieceTables` as variables that are not trained, so that
a SavedModel with several signatures holds them once. Its methods read them, inside of the graph
that is being made, as small objects for the steps:

- `CharacterLookup`: code points to small numbers;
- `PairLookup`: `(row, label)` to a value; `TrieLookup`, a tree walked with one;
- `Rules`, `Merges`, `UnusedPieces`, `Surfaces`, `BytePieces`: the arrays of one step each.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model


class CharacterLookup(NamedTuple):
    """Looks up `CharacterTable`: code points to small numbers."""

    pages: tf.Tensor
    numbers: tf.Tensor

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns the numbers of code points; 0 for those that no piece contains."""
        page = tf.gather(self.pages, tf.bitwise.right_shift(codes, 8))
        return tf.gather(self.numbers, page * 256 + tf.bitwise.bitwise_and(codes, 255))


class PairLookup(NamedTuple):
    """Looks up `PairTable`: `(row, label)` to a value, or 0."""

    base: tf.Tensor
    owners: tf.Tensor
    values: tf.Tensor

    def __call__(self, row: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """Returns the value of each pair."""
        slot = tf.gather(self.base, row) + label
        return tf.where(
            tf.equal(tf.gather(self.owners, slot), row), tf.gather(self.values, slot), 0
        )


class TrieLookup(NamedTuple):
    """A `Trie`: `following(node, character)` is the next node, `ids[node]` a piece, or -1."""

    following: PairLookup
    ids: tf.Tensor


class Rules(NamedTuple):
    """`NormalizationRules`."""

    labels: tf.Tensor
    jumps: tf.Tensor
    values: tf.Tensor
    starts: tf.Tensor
    lengths: tf.Tensor
    codes: tf.Tensor
    first_state: int


class Merges(NamedTuple):
    """How the symbols of a BPE model merge.

    Attributes:
        pairs: Gives the symbol that two symbols merge into, or 0.
        ranks: int32 [symbols], higher for what is merged earlier, 0 for what is no result.
        ids: int32 [symbols], their ids.
        of_character: int32 [characters], the symbol of a character's number, or 0.
    """

    pairs: PairLookup
    ranks: tf.Tensor
    ids: tf.Tensor
    of_character: tf.Tensor


class UnusedPieces(NamedTuple):
    """What a BPE model merges, but does not give out.

    Attributes:
        is_unused: bool [pieces].
        numbers: int32 [symbols], unused symbols numbered from 1; 0 for the others.
        sizes: int32 [symbols], how many characters any symbol has.
        count: How many are unused.
    """

    is_unused: tf.Tensor
    numbers: tf.Tensor
    sizes: tf.Tensor
    count: int


class Surfaces(NamedTuple):
    """What pieces look like in a text.

    Attributes:
        inside: string [pieces].
        first: string [pieces], at the beginning of a text.
        keeps_first: bool [pieces], whether the piece behind this one still is the first one.
    """

    inside: tf.Tensor
    first: tf.Tensor
    keeps_first: tf.Tensor


class BytePieces(NamedTuple):
    """Pieces that spell bytes.

    Attributes:
        bytes_of: int32 [pieces], the byte, or -1 for other pieces.
        strings: string [256], each byte.
    """

    bytes_of: tf.Tensor
    strings: tf.Tensor


class GraphTables(tf.Module):
    """The tables as variables. Make it outside of a graph, or inside of `tf.init_scope`."""

    def __init__(self, tables: model.SentencePieceTables):
        super().__init__(name="tables")
        self._rules_start = 0 if tables.rules is None else tables.rules.start
        self._num_unused = tables.num_unused if tables.model_type == "bpe" else 0
        with tf.device("/CPU:0"):
            self._variables = {
                name: tf.Variable(
                    array,
                    trainable=False,
                    name=name,
                    dtype=tf.string if array.dtype == object else None,
                )
                for name, array in {**_encoding_arrays(tables), **_decoding_arrays(tables)}.items()
            }

    def _read(self, name: str) -> tf.Tensor:
        return self._variables[name].read_value()

    def _pairs(self, name: str) -> PairLookup:
        return PairLookup(*(self._read(f"{name}_{part}") for part in PairLookup._fields))

    def characters(self) -> CharacterLookup:
        """Reads the numbers of characters."""
        return CharacterLookup(self._read("pages"), self._read("numbers"))

    def trie(self) -> TrieLookup:
        """Reads the tree of the pieces that a search may use."""
        return TrieLookup(self._pairs("trie"), self._read("trie_ids"))

    def scores(self) -> tf.Tensor:
        """Reads the scores of the pieces, float32 [pieces]."""
        return self._read("scores")

    def byte_ids(self) -> tf.Tensor:
        """Reads the ids of the bytes, int32 [256]."""
        return self._read("byte_ids")

    def symbols(self) -> TrieLookup:
        """Reads the tree of the user-defined symbols of a model that has some."""
        return TrieLookup(self._pairs("symbols"), self._read("symbols_ids"))

    def rules(self) -> Rules | None:
        """Reads the normalization rules, if there are any."""
        if "rules_labels" not in self._variables:
            return None
        return Rules(
            *(self._read(f"rules_{name}") for name in Rules._fields[:-1]), self._rules_start
        )

    def merges(self) -> Merges:
        """Reads the merges of a BPE model."""
        return Merges(
            self._pairs("merges"),
            self._read("merge_ranks"),
            self._read("symbol_ids"),
            self._read("character_symbols"),
        )

    def unused_pieces(self) -> UnusedPieces | None:
        """Reads the unused pieces of a BPE model, if there are any."""
        if not self._num_unused:
            return None
        return UnusedPieces(
            self._read("is_unused"),
            self._read("unused_symbols"),
            self._read("symbol_sizes"),
            self._num_unused,
        )

    def surfaces(self) -> Surfaces:
        """Reads what pieces look like in a text."""
        return Surfaces(
            self._read("surfaces"), self._read("first_surfaces"), self._read("keeps_first")
        )

    def byte_pieces(self) -> BytePieces:
        """Reads which pieces spell bytes."""
        return BytePieces(self._read("bytes_of"), self._read("byte_strings"))


def _encoding_arrays(tables: model.SentencePieceTables) -> dict[str, np.ndarray]:
    """Returns what `encode` looks up, by name."""
    arrays = {
        "pages": tables.characters.pages,
        "numbers": tables.characters.numbers,
        **_pair_arrays("trie", tables.trie.transitions),
        "trie_ids": tables.trie.values,
        "scores": tables.scores,
        "byte_ids": tables.byte_ids,
    }
    if tables.rules is not None:
        for name in Rules._fields[:-1]:
            arrays[f"rules_{name}"] = getattr(tables.rules, name)
    if tables.symbols is not None:
        arrays |= _pair_arrays("symbols", tables.symbols.transitions)
        arrays["symbols_ids"] = tables.symbols.values
    if tables.model_type == "bpe":
        arrays |= _pair_arrays("merges", tables.merges)
        arrays["merge_ranks"] = tables.merge_ranks
        arrays["symbol_ids"] = tables.symbol_ids
        arrays["character_symbols"] = tables.character_symbols
        if tables.num_unused:
            arrays["is_unused"] = tables.types == model.UNUSED
            arrays["unused_symbols"] = tables.unused_symbols
            arrays["symbol_sizes"] = tables.symbol_sizes
    return arrays


def _pair_arrays(name: str, pairs: model.PairTable) -> dict[str, np.ndarray]:
    return {f"{name}_{part}": getattr(pairs, part) for part in PairLookup._fields}


def _decoding_arrays(tables: model.SentencePieceTables) -> dict[str, np.ndarray]:
    """Returns what `decode` looks up, by name."""
    inside, first = tables.surfaces()
    bytes_of = np.full(len(tables.pieces), -1, dtype=np.int32)
    for byte, i in enumerate(tables.byte_ids):
        if i >= 0:
            bytes_of[i] = byte
    # While nothing has been written, and no leading space was taken off, a piece counts as the
    # first one.
    keeps_first = [
        not (f if tables.remove_extra_whitespaces else i)
        for i, f in zip(inside, first, strict=True)
    ]
    return {
        "surfaces": np.array([s.encode("utf-8") for s in inside], dtype=object),
        "first_surfaces": np.array([s.encode("utf-8") for s in first], dtype=object),
        "keeps_first": np.array(keeps_first) & (bytes_of < 0),
        "bytes_of": bytes_of,
        "byte_strings": np.array([bytes([b]) for b in range(256)], dtype=object),
    }
