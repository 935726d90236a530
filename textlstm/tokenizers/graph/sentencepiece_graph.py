"""SentencePiece as a graph of stock TensorFlow operations, to be exported in SavedModels.

`SentencePieceGraph.encode` gives the ids that the `sentencepiece` package gives, for every string,
and `decode` its texts. How a batch of strings becomes ids:

1. **Groups** (here). The rows are sorted by length and worked through in groups of bounded size,
   so that memory stays bounded; a loop over the groups does steps 2 to 6. Inside a group all rows
   lie one after the other in flat arrays, each ended by an END mark, and every step treats all
   places of the array at once.
2. **Characters** (`characters.py`). Bytes become code points by the rules of UTF-8; every byte
   that is not part of a well-formed character becomes one MALFORMED mark.
3. **Normalization** (`normalization.py`). From every place at once the normalization rules are
   walked for their longest match. Which matches count (they may overlap) follows from jumping
   from match to match. Then replacements are put in and surplus spaces taken out.
4. **Matches** (`matches.py`). From every place at once the tree of pieces is walked: each match
   is an *edge* from its first character to the place behind its last one. Where no edge crosses,
   the text is cut; the *segments* between cuts do not influence each other's segmentation.
5. **Segmentation.** For a unigram model the best path through each segment, all segments in
   parallel (`unigram.py`, with `lattice.py` and `search.py`); for a BPE model the merging of
   symbols (`bpe.py`, `bpe_unused.py`); for a character model nothing: a character is a token.
6. **Tokens** (`tokens.py`). Runs of unknown characters become one unknown id, or their bytes.

`decoding.py` goes the way back. `tables.py` holds what the steps look up, `arrays.py` the small
helpers that all of them use.
"""

import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model
from textlstm.tokenizers.graph.arrays import join
from textlstm.tokenizers.graph.bpe import merge_symbols
from textlstm.tokenizers.graph.characters import read_characters
from textlstm.tokenizers.graph.decoding import decode_ids
from textlstm.tokenizers.graph.matches import find_characters, find_matches, find_symbols
from textlstm.tokenizers.graph.normalization import Whitespace, normalize
from textlstm.tokenizers.graph.tables import GraphTables
from textlstm.tokenizers.graph.tokens import character_tokens, finish, with_symbols
from textlstm.tokenizers.graph.unigram import best_paths

# The number of bytes (rows times the longest row) that are worked on at once.
GROUP_BYTES = 1 << 18


class SentencePieceGraph(tf.Module):
    """A SentencePiece model whose encoding and decoding are graph operations.

    The tables of the model are variables that are not trained, so that a SavedModel with several
    signatures holds them once. Make it outside of a graph, or inside of `tf.init_scope`.

    Args:
        tables: The model.
        pad_id: The id that fills rows up.
        end_id: The id that ends a row. It and `pad_id` may lie behind the model's pieces.
    """

    def __init__(self, tables: model.SentencePieceTables, pad_id: int, end_id: int):
        super().__init__(name="sentencepiece_graph")
        self.model_type = tables.model_type
        self.pad_id = pad_id
        self.end_id = end_id
        self.unknown_id = tables.unknown_id
        self.unknown_score = float(tables.unknown_score)
        self.byte_fallback = tables.byte_fallback
        self.num_pieces = len(tables.pieces)
        self.has_symbols = tables.symbols is not None
        self.whitespace = Whitespace.of(tables)
        self.tables = GraphTables(tables)

    # Autograph, which rewrites the functions that users map over data sets, is kept out of here.
    @tf.autograph.experimental.do_not_convert
    def encode(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Turns strings into ids.

        Args:
            text: string [batch].

        Returns:
            `ids`, int32 [batch, longest], each row ended by the end mark and padded on the right,
            and `lengths`, int32 [batch], the end mark included.
        """
        with tf.device("/CPU:0"):
            text = tf.convert_to_tensor(text, dtype=tf.string)
            sizes = tf.strings.length(text)
            order = tf.argsort(sizes, direction="DESCENDING", stable=True)
            ids, lengths = self._encode_groups(tf.gather(text, order), tf.gather(sizes, order))

            rows = tf.RaggedTensor.from_row_lengths(ids, lengths, validate=False)
            inverse = tf.math.invert_permutation(order)
            lengths = tf.gather(lengths, inverse)
            longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
            shape = tf.stack([tf.size(sizes), longest])
            ids = tf.gather(rows, inverse).to_tensor(self.pad_id, shape=shape)
            static = text.shape[0]
            return tf.ensure_shape(ids, [static, None]), tf.ensure_shape(lengths, [static])

    @tf.autograph.experimental.do_not_convert
    def decode(self, ids: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Turns ids back into strings.

        Args:
            ids: int [batch, longest]. Those behind the model's last piece (an added padding or
                end id) give nothing.
            lengths: int [batch], how many ids of each row count.

        Returns:
            string [batch].
        """
        with tf.device("/CPU:0"):
            return decode_ids(
                tf.cast(ids, tf.int32),
                tf.cast(lengths, tf.int32),
                self.num_pieces,
                self.tables.surfaces(),
                self.tables.byte_pieces() if self.byte_fallback else None,
            )

    def _encode_groups(self, text: tf.Tensor, sizes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Step 1: encodes rows, the longest first, group by group.

        Args:
            text: string [rows].
            sizes: int32 [rows], the number of bytes of each, descending.

        Returns:
            `ids`, int32 [total], of one row after the other, and `lengths`, int32 [rows].
        """
        num_rows = tf.size(sizes)
        longest = tf.cast(tf.reduce_max(tf.concat([sizes, [0]], 0)), tf.int64)
        total = tf.cast(num_rows, tf.int64) * (longest + 2)  # more than 2^31, with one long row
        guess = tf.cast(total // GROUP_BYTES, tf.int32) + 2
        pieces, counts = (
            tf.TensorArray(
                tf.int32, size=guess, dynamic_size=True, infer_shape=False, element_shape=[None]
            )
            for _ in range(2)
        )

        def work(group, row, pieces, counts):
            # The rows are sorted: the first of a group is its longest.
            count = tf.maximum(GROUP_BYTES // (sizes[row] + 2), 1)
            stop = tf.minimum(row + count, num_rows)
            ids, lengths = self._encode_group(text[row:stop], sizes[row:stop])
            return group + 1, stop, pieces.write(group, ids), counts.write(group, lengths)

        group, _, pieces, counts = tf.while_loop(
            lambda group, row, pieces, counts: row < num_rows,
            work,
            (0, 0, pieces, counts),
            parallel_iterations=1,
        )
        empty = tf.zeros([0], tf.int32)
        return join(pieces, group, guess, empty), join(counts, group, guess, empty)

    def _encode_group(self, text: tf.Tensor, sizes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Steps 2 to 6 for a few rows; arguments and results as those of `_encode_groups`."""
        whitespace = self.whitespace
        number = self.tables.characters()

        characters = read_characters(text, sizes, whitespace.has_head, whitespace.has_tail)
        symbols = None
        if self.has_symbols:
            symbols = find_symbols(number(characters.codes), self.tables.symbols())
        codes = normalize(characters, self.tables.rules(), symbols, whitespace)  # [places]
        places, ids = self._segment(number(codes), tf.equal(codes, model.END))
        byte_ids = self.tables.byte_ids() if self.byte_fallback else None
        return finish(ids, tf.gather(codes, places), self.unknown_id, byte_ids)

    def _segment(self, numbers: tf.Tensor, is_end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Steps 4 and 5.

        Args:
            numbers: int32 [places], the characters' numbers.
            is_end: bool [places], whether it is END.

        Returns:
            `places`, int32 [tokens], where the tokens begin, ascending, and their `ids`.
        """
        trie = self.tables.trie()
        symbols = None
        if self.has_symbols and self.model_type != "unigram":
            # A unigram model weighs them against other pieces.
            symbols = find_symbols(numbers, self.tables.symbols())
        if self.model_type == "char":
            single = find_characters(numbers, trie)
            ids = character_tokens(single, is_end, self.unknown_id, self.end_id)
            places, ids = with_symbols(ids, symbols)
            return places, tf.gather(ids, places)
        matches = find_matches(numbers, trie)
        ids = character_tokens(matches.single, is_end, self.unknown_id, self.end_id)
        if self.model_type == "unigram":
            return best_paths(matches, ids, is_end, self.tables.scores(), self.unknown_score)
        return merge_symbols(
            numbers,
            matches,
            ids,
            is_end,
            symbols,
            self.tables.merges(),
            self.tables.unused_pieces(),
        )
