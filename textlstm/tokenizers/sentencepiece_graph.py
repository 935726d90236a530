"""SentencePiece as a graph of stock TensorFlow operations, to be exported in SavedModels.

`SentencePieceGraph.encode` gives the ids that the `sentencepiece` package gives, for every string,
and `decode` its texts. How a batch of strings becomes ids:

1. **Groups.** The rows are sorted by length and worked through in groups of bounded size, so
   that memory stays bounded; a loop over the groups does steps 2 to 6. Inside a group all rows
   lie one after the other in flat arrays, each ended by an END mark, and every step treats all
   places of the array at once.
2. **Characters** (`_characters`). Bytes become code points by the rules of UTF-8; every byte that
   is not part of a well-formed character becomes one MALFORMED mark.
3. **Normalization** (`_normalize`). From every place at once the normalization rules are walked
   for their longest match. Which matches count (they may overlap) follows from jumping from
   match to match. Then replacements are put in and surplus spaces taken out.
4. **Matches** (`_matches`). From every place at once the tree of pieces is walked: each match is
   an *edge* from its first character to the place behind its last one. Where no edge crosses,
   the text is cut; the *segments* between cuts do not influence each other's segmentation.
5. **Segmentation.** For a unigram model the best path through each segment (`_best_paths`, all
   segments in parallel), for a BPE model the merging of symbols (`_merge`), for a character
   model nothing: a character is a token.
6. **Tokens** (`_finish`). Runs of unknown characters become one unknown id, or their bytes.

The scores of a unigram model are added up in float32 from the beginning of the text, so how a
near-tie comes out depends on all that precedes. `_best_paths` therefore searches again, starting
each segment from the score of the path before it, until nothing changes.
"""

import numpy as np
import tensorflow as tf

from textlstm.tokenizers import sentencepiece_model as model

# The number of bytes (rows times the longest row) that are worked on at once.
GROUP_BYTES = 1 << 18
# SentencePiece subtracts the score so far from all open paths when it has grown to this.
SCORE_LIMIT = 100_000.0
# How many ranks are searched before looking whether that has happened.
STRETCH = 1024
# From this length on a segment is worth not to be searched twice.
LONG_SEGMENT = 256
INFINITY = float("inf")
BIG = np.iinfo(np.int32).max


def _where(mask: tf.Tensor) -> tf.Tensor:
    """Returns the places, int32 [count], where a vector is true."""
    return tf.cast(tf.where(mask)[:, 0], tf.int32)


def _starts(lengths: tf.Tensor) -> tf.Tensor:
    """Returns where each of several consecutive runs of `lengths` begins."""
    return tf.cumsum(lengths, exclusive=True)


def _owners(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Unfolds runs: for each element of all runs, its run and its place within the run."""
    starts = _starts(lengths)
    total = tf.reduce_sum(lengths)
    runs = _where(lengths > 0)
    first = tf.gather(starts, runs)
    marks = tf.scatter_nd(first[:, None], tf.ones_like(first), total[None])
    owner = tf.gather(runs, tf.cumsum(marks) - 1)
    return owner, tf.range(total) - tf.gather(starts, owner)


def _last_true(mask: tf.Tensor, default: int) -> tf.Tensor:
    """Returns, for each place, the last place at or before it where `mask` is true."""
    places = tf.concat([[default], _where(mask)], 0)
    return tf.gather(places, tf.cumsum(tf.cast(mask, tf.int32)))


def _reach(following: tf.Tensor, roots: tf.Tensor, sink: tf.Tensor) -> tf.Tensor:
    """Follows chains of places, all at once, by doubling the length of the jumps.

    Args:
        following: int32 [places], the place behind each place.
        roots: int32 [chains], where the chains begin; no two chains meet before a sink.
        sink: bool [places], where chains stop. `following` of a sink must be a sink.

    Returns:
        int32 [count], all places on the chains that are no sinks, in no order.
    """

    def unfinished(fresh, reached, jump):
        return tf.size(fresh) > 0

    def double(fresh, reached, jump):
        fresh = tf.gather(jump, reached)
        fresh = tf.gather(fresh, _where(~tf.gather(sink, fresh)))
        return fresh, tf.concat([reached, fresh], 0), tf.gather(jump, jump)

    roots = tf.gather(roots, _where(~tf.gather(sink, roots)))
    any_length = tf.TensorShape([None])
    return tf.while_loop(
        unfinished,
        double,
        (roots, roots, following),
        shape_invariants=(any_length, any_length, following.shape),
        parallel_iterations=1,
    )[1]


class _Characters:
    """Looks up `CharacterTable`: code points to small numbers."""

    def __init__(self, pages: tf.Tensor, numbers: tf.Tensor):
        self.pages, self.numbers = pages, numbers

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        page = tf.gather(self.pages, tf.bitwise.right_shift(codes, 8))
        return tf.gather(self.numbers, page * 256 + tf.bitwise.bitwise_and(codes, 255))


class _Pairs:
    """Looks up `PairTable`: `(row, label)` to a value, or 0."""

    def __init__(self, base: tf.Tensor, owners: tf.Tensor, values: tf.Tensor):
        self.base, self.owners, self.values = base, owners, values

    def __call__(self, row: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        slot = tf.gather(self.base, row) + label
        return tf.where(
            tf.equal(tf.gather(self.owners, slot), row), tf.gather(self.values, slot), 0
        )


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
        self.remove_extra_whitespaces = tables.remove_extra_whitespaces
        self.space = model.SPACE_SYMBOL if tables.escape_whitespaces else ord(" ")
        self.has_head = tables.add_dummy_prefix and not tables.whitespace_as_suffix
        self.has_tail = tables.add_dummy_prefix and tables.whitespace_as_suffix
        self.has_rules = tables.rules is not None
        self.has_symbols = tables.symbols is not None

        arrays = {
            "pages": tables.characters.pages,
            "numbers": tables.characters.numbers,
            "trie_base": tables.trie.transitions.base,
            "trie_owners": tables.trie.transitions.owners,
            "trie_values": tables.trie.transitions.values,
            "trie_ids": tables.trie.values,
            "scores": tables.scores,
            "byte_ids": tables.byte_ids,
        }
        if tables.rules is not None:
            self.rules_start = tables.rules.start
            for name in ("labels", "jumps", "values", "starts", "lengths", "codes"):
                arrays[f"rules_{name}"] = getattr(tables.rules, name)
        if tables.symbols is not None:
            arrays["symbols_base"] = tables.symbols.transitions.base
            arrays["symbols_owners"] = tables.symbols.transitions.owners
            arrays["symbols_values"] = tables.symbols.transitions.values
            arrays["symbols_ids"] = tables.symbols.values
        if tables.model_type == "bpe":
            arrays["merges_base"] = tables.merges.base
            arrays["merges_owners"] = tables.merges.owners
            arrays["merges_values"] = tables.merges.values
            arrays["merge_ranks"] = tables.merge_ranks
            arrays["symbol_ids"] = tables.symbol_ids
            arrays["character_symbols"] = tables.character_symbols
            self.num_unused = tables.num_unused
            if self.num_unused:
                arrays["is_unused"] = tables.types == model.UNUSED
                arrays["unused_symbols"] = tables.unused_symbols
                arrays["symbol_sizes"] = tables.symbol_sizes
        inside, first = tables.surfaces()
        arrays["surfaces"] = np.array([s.encode("utf-8") for s in inside], dtype=object)
        arrays["first_surfaces"] = np.array([s.encode("utf-8") for s in first], dtype=object)
        bytes_of = np.full(len(tables.pieces), -1, dtype=np.int32)
        for byte, i in enumerate(tables.byte_ids):
            if i >= 0:
                bytes_of[i] = byte
        arrays["bytes_of"] = bytes_of
        # While nothing has been written, and no leading space was taken off, a piece counts as
        # the first one.
        keeps_first = [
            not (f if tables.remove_extra_whitespaces else i)
            for i, f in zip(inside, first, strict=True)
        ]
        arrays["keeps_first"] = np.array(keeps_first) & (bytes_of < 0)
        arrays["byte_strings"] = np.array([bytes([b]) for b in range(256)], dtype=object)
        with tf.device("/CPU:0"):
            self.tables = {
                name: tf.Variable(
                    array,
                    trainable=False,
                    name=name,
                    dtype=tf.string if array.dtype == object else None,
                )
                for name, array in arrays.items()
            }

    def _read(self, name: str) -> tf.Tensor:
        return self.tables[name].read_value()

    def _pairs(self, name: str) -> _Pairs:
        return _Pairs(*(self._read(f"{name}_{part}") for part in ("base", "owners", "values")))

    # ---------------------------------------------------------------------------------------
    # Encoding
    # ---------------------------------------------------------------------------------------

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
            num_rows = tf.size(sizes)
            order = tf.argsort(sizes, direction="DESCENDING", stable=True)
            text = tf.gather(text, order)
            sizes = tf.gather(sizes, order)
            guess = num_rows * (tf.reduce_max(tf.concat([sizes, [0]], 0)) + 2) // GROUP_BYTES + 2
            pieces = tf.TensorArray(
                tf.int32, size=guess, dynamic_size=True, infer_shape=False, element_shape=[None]
            )
            counts = tf.TensorArray(
                tf.int32, size=guess, dynamic_size=True, infer_shape=False, element_shape=[None]
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
            # An empty element, so that there is something to join for an empty batch.
            empty = tf.zeros([0], tf.int32)
            rest = tf.range(group, tf.maximum(guess, group + 1))

            def fill(i, pieces, counts):
                return i + 1, pieces.write(i, empty), counts.write(i, empty)

            _, pieces, counts = tf.while_loop(
                lambda i, pieces, counts: i < group + tf.size(rest),
                fill,
                (group, pieces, counts),
                parallel_iterations=1,
            )
            lengths = tf.ensure_shape(counts.concat(), [None])
            rows = tf.RaggedTensor.from_row_lengths(
                tf.ensure_shape(pieces.concat(), [None]), lengths, validate=False
            )
            inverse = tf.math.invert_permutation(order)
            lengths = tf.gather(lengths, inverse)
            longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
            ids = tf.gather(rows, inverse).to_tensor(
                self.pad_id, shape=tf.stack([num_rows, longest])
            )
            static = text.shape[0]
            return tf.ensure_shape(ids, [static, None]), tf.ensure_shape(lengths, [static])

    def _encode_group(self, text: tf.Tensor, sizes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Encodes a few rows: flat ids, int32 [total], and the rows' lengths, int32 [rows]."""
        codes, content, raw = self._characters(text, sizes)
        codes = self._normalize(codes, content, raw)  # [places]
        numbers = _Characters(self._read("pages"), self._read("numbers"))(codes)
        is_end = tf.equal(codes, model.END)
        if self.model_type == "unigram":
            places, ids = self._best_paths(numbers, is_end)
        elif self.model_type == "bpe":
            places, ids = self._merge(numbers, is_end)
        else:
            places, ids = self._split(numbers, is_end)
        return self._finish(places, ids, codes)

    def _characters(self, text: tf.Tensor, sizes: tf.Tensor):
        """Step 2: bytes to code points.

        Each row is laid out as HEAD (if the model puts a space before texts), its characters,
        TAIL (if it puts one after), END. In the bytes these marks are NULs, which are never part
        of another character.

        Returns:
            `codes`, int32 [places]; `content`, bool [rows], whether a row has any byte; `raw`,
            the bytes themselves, how to get from a place to its byte and the reverse.
        """
        head, tail = int(self.has_head), int(self.has_tail)
        joined = tf.strings.join(["\0" * head, text, "\0" * (tail + 1)])
        data = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(joined), tf.uint8), tf.int32)
        ends = tf.cumsum(sizes + (head + tail + 1)) - 1  # [rows], the bytes that become END

        # The next three bytes; what a row lacks is NUL or belongs to no continuation.
        padded = tf.pad(data, [[0, 3]])
        n = tf.size(data)
        second, third, fourth = padded[1 : n + 1], padded[2 : n + 2], padded[3 : n + 3]
        size, code = _decode_utf8(data, second, third, fourth)
        inner = _inside_characters(size)
        marks = [ends]
        values = [tf.fill(tf.shape(ends), model.END)]
        if head:
            marks.append(ends - sizes - 1)
            values.append(tf.fill(tf.shape(ends), model.HEAD))
        if tail:
            marks.append(ends - 1)
            values.append(tf.fill(tf.shape(ends), model.TAIL))
        code = tf.tensor_scatter_nd_update(code, tf.concat(marks, 0)[:, None], tf.concat(values, 0))
        first_bytes = _where(~inner)  # [places]
        place_of = tf.cumsum(tf.cast(~inner, tf.int32)) - 1  # [bytes]
        return tf.gather(code, first_bytes), sizes > 0, (data, first_bytes, place_of)

    def _normalize(self, codes: tf.Tensor, content: tf.Tensor, raw) -> tf.Tensor:
        """Step 3: the text as the pieces see it, spaces as "▁".

        Args:
            codes: int32 [places] of `_characters`.
            content: bool [rows], whether a row has any byte.
            raw: Of `_characters`.

        Returns:
            int32 [places], each row ended by END.
        """
        n = tf.size(codes)
        places = tf.range(n)
        # What is copied: MALFORMED as U+FFFD. Sources index the replacements, then the text.
        source_codes = tf.where(tf.equal(codes, model.MALFORMED), 0xFFFD, codes)
        span = tf.ones_like(codes)  # how many characters are consumed from each place
        source = places
        count = span  # how many characters that gives
        if self.has_rules:
            rule_lengths, rule_starts = self._read("rules_lengths"), self._read("rules_starts")
            rule_codes = self._read("rules_codes")
            shift = tf.size(rule_codes)
            matched, rule = self._rule_matches(raw)  # [hits], [hits] of places; spans
            source_codes = tf.concat([rule_codes, source_codes], 0)
            at, size = matched
            index = at[:, None]
            span = tf.tensor_scatter_nd_update(span, index, size)
            source = tf.tensor_scatter_nd_update(
                source + shift, index, tf.gather(rule_starts, rule)
            )
            count = tf.tensor_scatter_nd_update(count, index, tf.gather(rule_lengths, rule))
        else:
            shift = 0
        if self.has_symbols:
            size = self._symbol_spans(codes)[0]
            found = size > 0
            span = tf.where(found, size, span)
            source = tf.where(found, places + shift, source)
            count = tf.where(found, size, count)

        chunks = places
        offset = tf.zeros_like(codes)
        if self.has_rules or self.has_symbols:
            chunks = tf.cond(
                tf.reduce_any(span > 1), lambda: _where(_visited(span)), lambda: places
            )
            chunks = tf.ensure_shape(chunks, [None])
            count = tf.gather(count, chunks)
            owner, offset = _owners(count)
            codes = tf.gather(source_codes, tf.gather(tf.gather(source, chunks), owner) + offset)
        else:
            codes = source_codes

        is_end = tf.equal(codes, model.END)
        is_head = tf.equal(codes, model.HEAD)
        is_tail = tf.equal(codes, model.TAIL)
        is_space = tf.equal(codes, ord(" "))
        keep = tf.ones_like(is_end)
        row = tf.cumsum(tf.cast(is_end, tf.int32), exclusive=True)
        if self.remove_extra_whitespaces:
            # A space goes if only spaces lie between it and the last character of the chunk
            # before, that one included. What precedes a text counts as a space.
            blank = is_space | is_end | is_head
            here = tf.range(tf.size(codes))
            keep &= ~(is_space & (_last_true(~blank, -2) < here - offset - 1))
            # Spaces at the end go, and "▁" too.
            blank = is_space | is_head | tf.equal(codes, self.space)
            solid = tf.cumsum(tf.cast(~(blank | is_end | is_tail), tf.int32))
            row_solid = tf.gather(solid, _where(is_end))
            keep &= ~(blank & tf.equal(solid, tf.gather(row_solid, row)))
        elif self.has_head:
            keep &= ~is_head | tf.gather(content, row)
        if self.has_tail:
            if self.remove_extra_whitespaces:
                # Texts of nothing but single spaces stay empty.
                single = tf.where(
                    tf.equal(count, 1), tf.gather(source_codes, tf.gather(source, chunks)), -1
                )
                ends = tf.equal(single, model.END)
                other = ~(ends | tf.equal(single, model.TAIL) | tf.equal(single, ord(" ")))
                content = tf.math.unsorted_segment_max(
                    tf.cast(other, tf.int32),
                    tf.cumsum(tf.cast(ends, tf.int32), exclusive=True),
                    tf.size(content),
                )
                content = content > 0
            keep &= ~is_tail | tf.gather(content, row)
        codes = tf.where(is_space | is_head | is_tail, self.space, codes)
        return tf.gather(codes, _where(keep))

    def _rule_matches(self, raw):
        """Returns the longest rule from each place: (places, spans), replacements; all [hits]."""
        data, first_bytes, place_of = raw
        labels, jumps = self._read("rules_labels"), self._read("rules_jumps")
        values = self._read("rules_values")
        n = tf.size(first_bytes)
        best = tf.fill(tf.shape(first_bytes), -1)
        best_end = tf.zeros_like(first_bytes)

        def walk(at, byte, state, best, best_end):
            # at: place [alive]; byte: place of the next byte; state: in the double array.
            label = tf.gather(data, byte)
            slot = tf.bitwise.bitwise_xor(state, label)
            alive = _where(tf.equal(tf.gather(labels, slot), label) & (label > 0))
            at, byte, slot = (
                tf.gather(at, alive),
                tf.gather(byte, alive) + 1,
                tf.gather(slot, alive),
            )
            value = tf.gather(values, slot)
            hits = _where(value >= 0)
            index = tf.gather(at, hits)[:, None]
            best = tf.tensor_scatter_nd_update(best, index, tf.gather(value, hits))
            best_end = tf.tensor_scatter_nd_update(best_end, index, tf.gather(byte, hits))
            return at, byte, tf.gather(jumps, slot), best, best_end

        any_length = tf.TensorShape([None])
        places = tf.range(n)
        *_, best, best_end = tf.while_loop(
            lambda at, *_: tf.size(at) > 0,
            walk,
            (places, first_bytes, tf.fill(tf.shape(places), self.rules_start), best, best_end),
            shape_invariants=(any_length,) * 5,
            parallel_iterations=1,
        )
        at = _where(best >= 0)
        # Bytes that end a match are followed by the first byte of a place.
        spans = tf.gather(place_of, tf.gather(best_end, at)) - at
        return (at, spans), tf.gather(best, at)

    def _symbol_spans(self, codes: tf.Tensor, numbers: tf.Tensor | None = None):
        """Returns the longest user-defined symbol from each place: length (or 0) and id."""
        if numbers is None:
            numbers = _Characters(self._read("pages"), self._read("numbers"))(codes)
        pairs, ids = self._pairs("symbols"), self._read("symbols_ids")
        size = tf.zeros_like(numbers)
        best = tf.fill(tf.shape(numbers), -1)

        def walk(depth, at, node, size, best):
            node = pairs(node, tf.gather(numbers, at + depth))
            alive = _where(node > 0)
            at, node = tf.gather(at, alive), tf.gather(node, alive)
            value = tf.gather(ids, node)
            hits = _where(value >= 0)
            index = tf.gather(at, hits)
            size = tf.tensor_scatter_nd_update(
                size, index[:, None], tf.fill(tf.shape(index), depth + 1)
            )
            best = tf.tensor_scatter_nd_update(best, index[:, None], tf.gather(value, hits))
            return depth + 1, at, node, size, best

        any_length = tf.TensorShape([None])
        places = tf.range(tf.size(numbers))
        *_, size, best = tf.while_loop(
            lambda depth, at, *_: tf.size(at) > 0,
            walk,
            (0, places, tf.zeros_like(places), size, best),
            shape_invariants=(tf.TensorShape([]), *(any_length,) * 4),
            parallel_iterations=1,
        )
        return size, best

    def _matches(self, numbers: tf.Tensor):
        """Step 4: all pieces of two or more characters that occur, and where to cut.

        Args:
            numbers: int32 [places], 0 at END, so that no match crosses it.

        Returns:
            `single`, int32 [places], the piece that a character alone is, or -1.
            `start`, `stop`, `piece`, `nth`, int32 [edges]: the other matches. `stop` is the place
            behind the match; `nth` counts the matches that begin at one place (from 1).
            `per_place`, int32 [places]: how many edges begin there.
            `is_cut`, bool [places]: whether a segment begins there.
        """
        n = tf.size(numbers)
        pairs, ids = self._pairs("trie"), self._read("trie_ids")
        places = tf.range(n)
        node = pairs(tf.zeros_like(numbers), numbers)
        single = tf.gather(ids, node)
        first = _where(node > 0)
        found = tf.TensorArray(
            tf.int32, size=16, dynamic_size=True, infer_shape=False, element_shape=[None, 4]
        )

        def walk(depth, at, node, nth, found):
            node = pairs(node, tf.gather(numbers, at + depth))
            alive = _where(node > 0)
            at, node, nth = tf.gather(at, alive), tf.gather(node, alive), tf.gather(nth, alive)
            value = tf.gather(ids, node)
            is_hit = value >= 0
            edges = tf.stack([at, tf.fill(tf.shape(at), depth + 1) + at, value, nth], 1)
            found = found.write(depth - 1, tf.gather(edges, _where(is_hit)))
            return depth + 1, at, node, nth + tf.cast(is_hit, tf.int32), found

        any_length = tf.TensorShape([None])
        depth, *_, found = tf.while_loop(
            lambda depth, at, *_: tf.size(at) > 0,
            walk,
            (1, first, tf.gather(node, first), tf.ones_like(first), found),
            shape_invariants=(tf.TensorShape([]), *(any_length,) * 3, tf.TensorShape(None)),
            parallel_iterations=1,
        )
        # Depths that were not reached hold nothing.
        empty = tf.zeros([0, 4], tf.int32)
        _, found = tf.while_loop(
            lambda i, found: i < 16,
            lambda i, found: (i + 1, found.write(i, empty)),
            (depth - 1, found),
            parallel_iterations=1,
        )
        edges = tf.ensure_shape(found.concat(), [None, 4])
        start, stop, piece, nth = tf.unstack(edges, axis=1)
        ones = tf.ones_like(start)
        per_place = tf.math.unsorted_segment_sum(ones, start, n)
        closing = tf.math.unsorted_segment_sum(ones, stop, n)
        crossing = tf.cumsum(tf.concat([[0], per_place[:-1]], 0) - closing)
        return single, (start, stop, piece, nth), per_place, tf.equal(crossing, 0), places

    def _best_paths(self, numbers: tf.Tensor, is_end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Step 5 for unigram models: the path of the highest score through each segment.

        Returns:
            `places`, int32 [tokens], where the tokens begin, ascending, and their `ids`.
        """
        single, (start, stop, piece, nth), per_place, is_cut, places = self._matches(numbers)
        n = tf.size(numbers)
        scores = self._read("scores")
        single_score = tf.where(
            single >= 0, tf.gather(scores, tf.maximum(single, 0)), self.unknown_score
        )
        single_score = tf.where(is_end, 0.0, single_score)
        single = tf.where(single >= 0, single, self.unknown_id)
        single = tf.where(is_end, self.end_id, single)

        segment = tf.cumsum(tf.cast(is_cut, tf.int32)) - 1  # [places]
        first = _where(is_cut)  # [segments]
        num_segments = tf.size(first)
        size = tf.concat([first[1:], n[None]], 0) - first  # [segments]
        rank = places - tf.gather(first, segment)  # [places], the place within its segment

        # Places in the order in which the search visits them: rank by rank, so that all segments
        # advance together. Longer segments come first within a rank.
        by_size = tf.argsort(size, direction="DESCENDING", stable=True)
        nth_segment = tf.math.invert_permutation(by_size)
        longest = tf.reduce_max(size)
        with_size = tf.math.bincount(size, minlength=longest + 1)
        per_rank = tf.cumsum(with_size[1:], reverse=True)  # [longest], segments longer than a rank
        visit = tf.gather(_starts(per_rank), rank) + tf.gather(nth_segment, segment)  # [places]
        visited = tf.math.invert_permutation(visit)

        # Edges in the same order. A path's end in a segment is a node of its own, `n + segment`,
        # because the place there also begins the next segment.
        offsets = _starts(tf.gather(per_place, visited) + 1)  # [places], by visit
        place_offset = tf.gather(offsets, visit)  # [places]
        order = tf.math.invert_permutation(
            tf.concat([place_offset, tf.gather(place_offset, start) + nth], 0)
        )
        source = tf.gather(tf.concat([places, start], 0), order)  # [edges]
        behind = tf.concat([places + 1, stop], 0)
        node_of = tf.concat(
            [tf.where(is_cut, n + segment - 1, places), n[None] + num_segments - 1], 0
        )
        target = tf.gather(tf.gather(node_of, behind), order)  # [edges]
        token = tf.gather(tf.concat([single, piece], 0), order)  # [edges]
        weight = tf.gather(tf.concat([single_score, tf.gather(scores, piece)], 0), order)
        rank_offset = tf.concat([tf.gather(offsets, _starts(per_rank)), tf.size(order)[None]], 0)
        num_nodes = n + num_segments
        edges = (source, target, weight, rank_offset, visited, _starts(per_rank), rank)

        is_last = tf.gather(is_end, first)  # [segments]; END is a segment of its own
        row_first = tf.concat([[True], is_last[:-1]], 0)

        def search(begin, previous, ends, was_reset, best, chained, taken, stable, begins):
            # Segments that begin with the same score as before end as before, too. To leave them
            # out pays if there are long ones.
            moved = tf.not_equal(begin, previous)
            some = tf.cond(
                longest > LONG_SEGMENT,
                lambda: _edges_of(edges, moved, segment),
                lambda: (*edges, tf.range(tf.size(source))),
            )
            new_ends, new_best, new_reset = self._search(begin, first, some, segment)
            done = longest <= LONG_SEGMENT
            ends = tf.where(moved | done, new_ends, ends)
            was_reset = tf.where(moved | done, new_reset, was_reset)
            best = tf.where(new_best < BIG, new_best, best)
            # Tokens of the best path, in the order of the text.
            parent = tf.concat([tf.gather(source, tf.minimum(best, tf.size(source) - 1))], 0)
            nodes = tf.range(num_nodes)
            is_first = tf.concat([is_cut, tf.zeros([num_segments], tf.bool)], 0)
            parent = tf.where(is_first, nodes, parent)
            path = _reach(parent, n + tf.range(num_segments), is_first)
            edge = tf.gather(best, path)
            taken = tf.tensor_scatter_nd_update(
                tf.fill(n[None], -1), tf.gather(source, edge)[:, None], edge
            )
            begins = _where(taken >= 0)  # [tokens]
            taken = tf.gather(taken, begins)
            # Add the scores up anew, from the beginning of each text or from the last reset.
            chained = tf.cond(
                tf.reduce_any(was_reset),
                lambda: row_first | _behind_first_resets(was_reset, chained),
                lambda: row_first,
            )
            chained = tf.ensure_shape(chained, [None])  # [segments]
            begin_now = tf.where(row_first, 0.0, tf.concat([[0.0], ends[:-1]], 0))
            at_chain = tf.scatter_nd(
                tf.gather(first, _where(chained))[:, None],
                tf.ones_like(_where(chained)),
                n[None],
            )
            token_chain = tf.gather(at_chain, begins)
            chain = tf.cumsum(token_chain) - 1  # [tokens]
            sizes = tf.math.bincount(chain)
            heads = tf.gather(begin_now, _where(chained))  # [chains]
            ragged = tf.RaggedTensor.from_row_lengths(
                tf.gather(weight, taken), sizes, validate=False
            )
            table = tf.concat([heads[:, None], ragged.to_tensor(0.0)], 1)
            # table is [chains, 1 + tokens]; its sum before each token.
            sums = tf.cumsum(table, axis=1)
            inside = tf.range(tf.size(chain)) - tf.gather(_starts(sizes), chain)
            before = tf.gather_nd(sums, tf.stack([chain, inside], 1))
            at_place = tf.tensor_scatter_nd_update(tf.zeros(n[None]), begins[:, None], before)
            renewed = tf.gather(at_place, first)
            stable = tf.reduce_all(tf.equal(renewed, begin))
            return renewed, begin, ends, was_reset, best, chained, taken, stable, begins

        any_length = tf.TensorShape([None])
        zeros = tf.zeros([num_segments])
        none = tf.zeros([0], tf.int32)
        state = (
            zeros,
            zeros - 1.0,
            zeros,
            tf.zeros([num_segments], tf.bool),
            tf.fill(num_nodes[None], BIG),
            row_first,
            none,
            False,
            none,
        )
        *_, taken, _, begins = tf.while_loop(
            lambda *state: ~state[7],
            search,
            state,
            shape_invariants=(*(any_length,) * 7, tf.TensorShape([]), any_length),
            parallel_iterations=1,
        )
        return begins, tf.gather(token, taken)

    def _search(self, begin, first, edges, segment):
        """Scores all nodes, rank by rank, given the score `begin` before each segment.

        When the score at a place has passed `SCORE_LIMIT`, SentencePiece subtracts it from all
        paths that are open there. That is rare: stretches of ranks are searched without looking,
        and searched again up to the place where it was passed.

        Args:
            begin: float32 [segments].
            first: int32 [segments], the first place of each.
            edges: As `_edges_of` returns them.
            segment: int32 [places].

        Returns:
            The score behind each segment; for each node the edge of the best path to it, or BIG;
            for each segment whether scores were reset in it.
        """
        source, target, weight, offsets, visited, visits, rank_of, names = edges
        n, num_segments = tf.size(segment), tf.size(first)
        longest = tf.size(offsets) - 1
        visits = tf.concat([visits, tf.size(visited)[None]], 0)
        score = tf.fill((n + num_segments)[None], -INFINITY)
        score = tf.tensor_scatter_nd_update(score, first[:, None], begin)
        best = tf.fill((n + num_segments)[None], BIG)
        any_length = tf.TensorShape([None])

        def advance(rank, score):
            a = offsets[rank][None]
            size = offsets[rank + 1][None] - a
            reached = tf.gather(score, tf.slice(source, a, size)) + tf.slice(weight, a, size)
            return rank + 1, tf.tensor_scatter_nd_max(
                score, tf.slice(target, a, size)[:, None], reached
            )

        def run(rank, stop, score):
            return tf.while_loop(
                lambda rank, score: rank < stop,
                advance,
                (rank, score),
                shape_invariants=(tf.TensorShape([]), any_length),
                parallel_iterations=1,
            )[1]

        def reset(rank, score, was_reset):
            at = visited[visits[rank] : visits[rank + 1]]
            now = tf.gather(score, at)
            over = _where(tf.abs(now) > SCORE_LIMIT)
            at, now = tf.gather(at, over), tf.gather(now, over)
            segments = tf.gather(segment, at)[:, None]
            shape = num_segments[None]
            amount = tf.scatter_nd(segments, now, shape)
            since = tf.scatter_nd(segments, at, shape)
            of_node = tf.concat([segment, tf.range(num_segments)], 0)
            ahead = tf.range(n + num_segments) >= tf.gather(since, of_node)
            score -= tf.where(ahead, tf.gather(amount, of_node), 0.0)
            hit = tf.scatter_nd(segments, tf.ones_like(at), shape) > 0
            return score, was_reset | hit

        def stretch(rank, score, best, was_reset):
            stop = tf.minimum(rank + STRETCH, longest)
            after = run(rank, stop, score)
            at = visited[visits[rank] : visits[stop]]
            over = _where(tf.abs(tf.gather(after, at)) > SCORE_LIMIT)
            is_over = tf.size(over) > 0
            stop, after = tf.cond(
                is_over,
                lambda: (
                    tf.gather(rank_of, at[over[0]]),
                    run(rank, tf.gather(rank_of, at[over[0]]), score),
                ),
                lambda: (stop, after),
            )
            # The first edge to reach the best score wins a tie; edges are in order of their
            # source. What was as good already had an earlier source.
            a, b = offsets[rank], offsets[stop]
            to = target[a:b]
            reached = tf.gather(after, source[a:b]) + weight[a:b]
            now = tf.gather(after, to)
            won = _where(tf.equal(reached, now) & (now > tf.gather(score, to)))
            index = tf.gather(to, won)[:, None]
            best = tf.tensor_scatter_nd_update(best, index, tf.fill(tf.shape(won), BIG))
            best = tf.tensor_scatter_nd_min(best, index, tf.gather(names, won + a))
            after, was_reset = tf.cond(
                is_over, lambda: reset(stop, after, was_reset), lambda: (after, was_reset)
            )
            return stop, after, best, was_reset

        _, score, best, was_reset = tf.while_loop(
            lambda rank, *_: rank < longest,
            stretch,
            (0, score, best, tf.zeros([num_segments], tf.bool)),
            shape_invariants=(tf.TensorShape([]), *(any_length,) * 3),
            parallel_iterations=1,
        )
        return score[n:], best, was_reset

    def _split(self, numbers: tf.Tensor, is_end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Step 5 for character models: every character, or user-defined symbol, is a token."""
        starts, ids = self._symbols_of(numbers)
        node = self._pairs("trie")(tf.zeros_like(numbers), numbers)
        single = tf.gather(self._read("trie_ids"), node)
        single = tf.where(single >= 0, single, self.unknown_id)
        single = tf.where(is_end, self.end_id, single)
        if starts is None:
            return tf.range(tf.size(numbers)), single
        return starts, tf.gather(tf.where(ids >= 0, ids, single), starts)

    def _symbols_of(self, numbers: tf.Tensor):
        """Returns where characters and user-defined symbols begin, and the ids of the latter."""
        if not self.has_symbols:
            return None, None
        size, ids = self._symbol_spans(None, numbers)
        return _where(_visited(tf.maximum(size, 1))), ids

    def _merge(self, numbers: tf.Tensor, is_end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Step 5 for BPE models: merges neighbouring symbols, the best pair first.

        In each round, and in each segment, all pairs of the segment's best rank are merged: the
        leftmost first where they overlap. SentencePiece merges them one by one, so that a pair
        which arises from the first may come before the second; segments where that happens merge
        one pair only in that round.

        Returns:
            `places`, int32 [tokens], where the tokens begin, ascending, and their `ids`.
        """
        _, (start, _, piece, _), _, is_cut, places = self._matches(numbers)
        pairs, ranks = self._pairs("merges"), self._read("merge_ranks")
        segment = tf.cumsum(tf.cast(is_cut, tf.int32)) - 1
        symbol = tf.gather(self._read("character_symbols"), numbers)  # [places]
        node = self._pairs("trie")(tf.zeros_like(numbers), numbers)
        single = tf.gather(self._read("trie_ids"), node)
        single = tf.where(single >= 0, single, self.unknown_id)
        single = tf.where(is_end, self.end_id, single)
        starts, ids = self._symbols_of(numbers)
        if starts is None:
            starts = places
        else:
            # User-defined symbols are left alone: symbol 0 merges with nothing.
            single = tf.where(ids >= 0, ids, single)
            symbol = tf.where(ids >= 0, 0, symbol)

        # What has become of each place: its symbol, or -1 if it is inside one. -2: untouched.
        result = tf.fill(tf.shape(numbers), -1)
        result = tf.tensor_scatter_nd_update(result, starts[:, None], tf.fill(tf.shape(starts), -2))

        def next_in(values, fill):
            return tf.concat([values[1:], tf.fill(tf.minimum(tf.shape(values), 1), fill)], 0)

        def merge(at, symbol, segment, result):
            # at: where the symbols begin; symbol, segment: theirs; all [symbols].
            same = tf.equal(segment, next_in(segment, -1))
            merged = tf.where(same, pairs(symbol, next_in(symbol, 0)), 0)
            rank = tf.gather(ranks, merged)
            local = tf.cumsum(tf.cast(~same, tf.int32), exclusive=True)  # segments from 0
            best = tf.gather(tf.math.segment_max(rank, local), local)
            alive = best > 0
            chosen = alive & tf.equal(rank, best)
            chosen = tf.cond(
                tf.reduce_any(chosen[1:] & chosen[:-1]),
                lambda: _every_other(chosen),
                lambda: chosen,
            )
            several = tf.math.segment_sum(tf.cast(chosen, tf.int32), local) > 1
            chosen = tf.cond(
                tf.reduce_any(several),
                lambda: _safe(chosen, several, local, symbol, merged, best, pairs, ranks),
                lambda: chosen,
            )
            chosen = tf.ensure_shape(chosen, [None])
            consumed = tf.concat([tf.zeros_like(chosen[:1]), chosen[:-1]], 0)
            symbol = tf.where(chosen, merged, symbol)
            changed = _where(chosen)
            left = tf.gather(at, changed)
            right = tf.gather(at, changed + 1)
            result = tf.tensor_scatter_nd_update(
                result,
                tf.concat([left, right], 0)[:, None],
                tf.concat([tf.gather(symbol, changed), tf.fill(tf.shape(right), -1)], 0),
            )
            keep = _where(alive & ~consumed)
            return tf.gather(at, keep), tf.gather(symbol, keep), tf.gather(segment, keep), result

        batched = starts
        if self.num_unused:
            # Segments in which an unused piece occurs are merged pair by pair, further down.
            unused = tf.gather(self._read("is_unused"), piece)
            by_pairs = tf.math.unsorted_segment_max(
                tf.cast(unused, tf.int32), tf.gather(segment, start), tf.reduce_max(segment) + 1
            )
            by_pairs = tf.gather(by_pairs > 0, tf.gather(segment, starts))
            batched = tf.gather(starts, _where(~by_pairs))
            starts = tf.gather(starts, _where(by_pairs))
        any_length = tf.TensorShape([None])
        *_, result = tf.while_loop(
            lambda at, *_: tf.size(at) > 0,
            merge,
            (batched, tf.gather(symbol, batched), tf.gather(segment, batched), result),
            shape_invariants=(any_length,) * 4,
            parallel_iterations=1,
        )
        if self.num_unused:
            row = tf.cumsum(tf.cast(is_end, tf.int32), exclusive=True)
            result = self._merge_by_pairs(starts, symbol, segment, row, result)
        begins = _where(tf.not_equal(result, -1))
        result = tf.gather(result, begins)
        ids = tf.where(
            result >= 0,
            tf.gather(self._read("symbol_ids"), tf.maximum(result, 0)),
            tf.gather(single, begins),
        )
        return begins, ids

    def _merge_by_pairs(self, starts, symbol, segment, row, result) -> tf.Tensor:
        """Merges one pair of a row after the other, and takes unused pieces apart again.

        SentencePiece remembers, for the whole text, which two symbols it last considered merging
        into an unused piece, and takes the piece apart into these, wherever it stands. So here
        the order in which pairs are merged matters beyond their segment.

        Args:
            starts: int32 [symbols], where the symbols to merge begin.
            symbol: int32 [places], the symbol that begins there.
            segment: int32 [places].
            row: int32 [places].
            result: int32 [places], as in `_merge`.

        Returns:
            `result`, brought up to date.
        """
        pairs, ranks = self._pairs("merges"), self._read("merge_ranks")
        unused = self._read("unused_symbols")
        stride = self.num_unused + 1

        def remember(halves, left, right, row):
            """Notes pairs that could merge into an unused piece; `halves` is [slots, 2]."""
            number = tf.gather(unused, pairs(left, right))
            noted = _where(number > 0)
            slot = tf.gather(row * stride + number, noted)
            pair = tf.gather(tf.stack([left, right], 1), noted)
            return tf.tensor_scatter_nd_update(halves, slot[:, None], pair)

        def merge(at, symbol, segment, row, result, halves):
            n = tf.size(at)
            places = tf.range(n)
            padded = tf.concat([symbol, [0, 0]], 0)
            padded_segment = tf.concat([segment, [-1, -1]], 0)
            same = tf.equal(segment, padded_segment[1 : n + 1])
            merged = tf.where(same, pairs(symbol, padded[1 : n + 1]), 0)
            rank = tf.gather(ranks, merged)
            is_last = tf.not_equal(row, tf.concat([row[1:], [-1]], 0))
            local = tf.cumsum(tf.cast(is_last, tf.int32), exclusive=True)  # rows from 0
            best = tf.gather(tf.math.segment_max(rank, local), local)
            alive = best > 0
            leftmost = tf.math.segment_min(
                tf.where(alive & tf.equal(rank, best), places, BIG), local
            )
            chosen = tf.gather(leftmost, _where(leftmost < BIG))  # [rows alive]
            new = tf.gather(merged, chosen)
            here, its_row = tf.gather(segment, chosen), tf.gather(row, chosen)
            result = tf.tensor_scatter_nd_update(result, tf.gather(at, chosen)[:, None], new)
            result = tf.tensor_scatter_nd_update(
                result, tf.gather(at, chosen + 1)[:, None], tf.fill(tf.shape(chosen), -1)
            )
            # The pair with the symbol before is considered first, then that with the one behind.
            before = tf.maximum(chosen - 1, 0)
            joined = (chosen > 0) & tf.equal(tf.gather(segment, before), here)
            left = tf.where(joined, tf.gather(symbol, before), 0)
            halves = remember(halves, left, new, its_row)
            joined = tf.equal(tf.gather(padded_segment, chosen + 2), here)
            right = tf.where(joined, tf.gather(padded, chosen + 2), 0)
            halves = remember(halves, new, right, its_row)
            symbol = tf.tensor_scatter_nd_update(symbol, chosen[:, None], new)
            consumed = tf.scatter_nd((chosen + 1)[:, None], tf.ones_like(chosen), n[None]) > 0
            keep = _where(alive & ~consumed)
            kept = [tf.gather(values, keep) for values in (at, symbol, segment, row)]
            return *kept, result, halves

        first = [tf.gather(values, starts) for values in (symbol, segment, row)]
        halves = tf.zeros([(tf.reduce_max(row) + 1) * stride, 2], tf.int32)
        same = tf.equal(first[1][:-1], first[1][1:])
        right = tf.where(same, first[0][1:], 0)
        halves = remember(halves, first[0][:-1], right, first[2][:-1])
        any_length = tf.TensorShape([None])
        *_, result, halves = tf.while_loop(
            lambda at, *_: tf.size(at) > 0,
            merge,
            (starts, *first, result, halves),
            shape_invariants=(*(any_length,) * 5, tf.TensorShape([None, 2])),
            parallel_iterations=1,
        )

        def unused_in(result):
            return _where(tf.gather(unused, tf.maximum(result, 0)) > 0)

        def take_apart(result):
            at = unused_in(result)
            number = tf.gather(unused, tf.gather(result, at))
            pair = tf.gather(halves, tf.gather(row, at) * stride + number)  # [tokens, 2]
            behind = at + tf.gather(self._read("symbol_sizes"), pair[:, 0])
            result = tf.tensor_scatter_nd_update(result, at[:, None], pair[:, 0])
            return [tf.tensor_scatter_nd_update(result, behind[:, None], pair[:, 1])]

        return tf.while_loop(
            lambda result: tf.size(unused_in(result)) > 0,
            take_apart,
            [result],
            shape_invariants=[any_length],
            parallel_iterations=1,
        )[0]

    def _finish(self, places: tf.Tensor, ids: tf.Tensor, codes: tf.Tensor):
        """Step 6: joins unknown tokens, or spells them as bytes, and counts.

        Args:
            places: int32 [tokens], where each begins.
            ids: int32 [tokens]; END has the end id.
            codes: int32 [places].

        Returns:
            `ids`, int32 [total], and `lengths`, int32 [rows].
        """
        is_end = tf.equal(tf.gather(codes, places), model.END)
        unknown = tf.equal(ids, self.unknown_id) & ~is_end
        if self.byte_fallback:
            # An unknown token is one character; its UTF-8 bytes become ids.
            code = tf.gather(codes, places)
            size = 1 + tf.add_n(
                [tf.cast(code >= limit, tf.int32) for limit in (0x80, 0x800, 0x10000)]
            )
            owner, offset = _owners(tf.where(unknown, size, 1))
            byte = _utf8_byte(tf.gather(code, owner), tf.gather(size, owner), offset)
            ids = tf.where(
                tf.gather(unknown, owner),
                tf.gather(self._read("byte_ids"), byte),
                tf.gather(ids, owner),
            )
            is_end = tf.gather(is_end, owner)
        else:
            repeated = unknown & tf.concat([tf.zeros_like(unknown[:1]), unknown[:-1]], 0)
            keep = _where(~repeated)
            ids, is_end = tf.gather(ids, keep), tf.gather(is_end, keep)
        ends = _where(is_end) + 1
        return ids, ends - tf.concat([[0], ends[:-1]], 0)

    # ---------------------------------------------------------------------------------------
    # Decoding
    # ---------------------------------------------------------------------------------------

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
            ids = tf.cast(ids, tf.int32)
            lengths = tf.cast(lengths, tf.int32)
            num_rows = tf.shape(ids)[0]
            counts = tf.sequence_mask(lengths, tf.shape(ids)[1]) & (ids < self.num_pieces)
            places = tf.where(counts)
            ids = tf.gather_nd(ids, places)  # [tokens]
            row = tf.cast(places[:, 0], tf.int32)
            starts = _starts(tf.reduce_sum(tf.cast(counts, tf.int32), axis=1))  # [rows]

            # Until a row has any text, pieces lose their leading space.
            ends_first = tf.cast(~tf.gather(self._read("keeps_first"), ids), tf.int32)
            sums = tf.concat([[0], tf.cumsum(ends_first)], 0)
            is_first = tf.equal(sums[:-1], tf.gather(sums, tf.gather(starts, row)))
            surface = tf.where(
                is_first,
                tf.gather(self._read("first_surfaces"), ids),
                tf.gather(self._read("surfaces"), ids),
            )
            if self.byte_fallback:
                # -1 for pieces that are no bytes; a row ends with such a one.
                byte = tf.gather(self._read("bytes_of"), ids)
                n = tf.size(byte)

                def ahead(distance):
                    later = tf.concat([byte, tf.fill([3], -1)], 0)[distance : n + distance]
                    later_row = tf.concat([row, tf.fill([3], -1)], 0)[distance : n + distance]
                    return tf.where(tf.equal(row, later_row), later, -1)

                size, code = _decode_utf8(byte, ahead(1), ahead(2), ahead(3))
                size = tf.where(byte < 0, 1, size)
                malformed = tf.equal(code, model.MALFORMED) & ~_inside_characters(size)
                text = tf.gather(self._read("byte_strings"), tf.maximum(byte, 0))
                text = tf.where(malformed, b"\xef\xbf\xbd", text)
                surface = tf.where(byte >= 0, text, surface)
            joined = tf.strings.unsorted_segment_join(surface, row, num_rows)
            return tf.ensure_shape(joined, [None])


def _decode_utf8(first, second, third, fourth) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads a character from each place.

    Args:
        first: int32 [n], the byte there.
        second: int32 [n], the one behind it.
        third: int32 [n], the one behind that.
        fourth: int32 [n], the one behind that.

    Returns:
        How many bytes the character has (1 if malformed), and its code point or MALFORMED.
    """

    def tail(byte):
        return tf.equal(tf.bitwise.bitwise_and(byte, -64), 0x80)  # 10xxxxxx

    def low(byte):
        return tf.bitwise.bitwise_and(byte, 0x3F)

    second_tail = tail(second)
    third_tail = second_tail & tail(third)
    two = tf.bitwise.bitwise_and(first, 0x1F) * 64 + low(second)
    is_two = tf.equal(tf.bitwise.bitwise_and(first, -32), 0xC0) & second_tail & (two >= 0x80)
    three = (tf.bitwise.bitwise_and(first, 0x0F) * 64 + low(second)) * 64 + low(third)
    is_three = tf.equal(tf.bitwise.bitwise_and(first, -16), 0xE0) & third_tail
    is_three &= (three >= 0x800) & ((three < 0xD800) | (three > 0xDFFF))
    four = ((tf.bitwise.bitwise_and(first, 7) * 64 + low(second)) * 64 + low(third)) * 64 + low(
        fourth
    )
    is_four = tf.equal(tf.bitwise.bitwise_and(first, -8), 0xF0) & third_tail & tail(fourth)
    is_four &= (four >= 0x10000) & (four <= 0x10FFFF)
    one = tf.where((first >= 0) & (first < 0x80), first, model.MALFORMED)
    size = (
        1
        + tf.cast(is_two, tf.int32)
        + 2 * tf.cast(is_three, tf.int32)
        + 3 * tf.cast(is_four, tf.int32)
    )
    return size, tf.where(is_two, two, tf.where(is_three, three, tf.where(is_four, four, one)))


def _inside_characters(size: tf.Tensor) -> tf.Tensor:
    """Returns which bytes continue a character that begins `size` bytes long before them."""
    padded = tf.pad(size, [[3, 0]])
    n = tf.size(size)
    return (padded[2 : n + 2] > 1) | (padded[1 : n + 1] > 2) | (padded[0:n] > 3)


def _utf8_byte(code: tf.Tensor, size: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """Returns byte `offset` of the `size` bytes of a code point in UTF-8."""
    bits = tf.bitwise.right_shift(code, 6 * (size - 1 - offset))
    lead = tf.gather(tf.constant([0, 0, 0xC0, 0xE0, 0xF0]), size)
    return tf.where(
        tf.equal(offset, 0),
        tf.bitwise.bitwise_or(lead, bits),
        tf.bitwise.bitwise_or(tf.bitwise.bitwise_and(bits, 0x3F), 0x80),
    )


def _visited(span: tf.Tensor) -> tf.Tensor:
    """Says at which places one stops who walks from the left, `span` places at a time.

    Places over which no span passes are stopped at for certain. From there the others are found
    by following the chains.
    """
    n = tf.size(span)
    places = tf.range(n)
    long = _where(span > 1)
    stop = tf.minimum(tf.gather(places + span, long), n)
    shape = (n + 1)[None]
    opening = tf.scatter_nd((long + 1)[:, None], tf.ones_like(long), shape)
    closing = tf.scatter_nd(stop[:, None], tf.ones_like(long), shape)
    sure = tf.equal(tf.cumsum(opening - closing), 0)  # [n + 1]
    following = tf.concat([tf.minimum(places + span, n), n[None]], 0)
    # Sure places are where chains stop: their successors are never asked for.
    following_or_self = tf.where(sure, tf.range(n + 1), following)
    roots = tf.gather(following, tf.gather(long, _where(tf.gather(sure, long))))
    reached = _reach(following_or_self, roots, sure)
    marks = tf.tensor_scatter_nd_update(sure, reached[:, None], tf.ones_like(reached, tf.bool))
    return marks[:n]


def _edges_of(edges, chosen: tf.Tensor, segment: tf.Tensor):
    """Leaves out the edges of all segments but some.

    Args:
        edges: `source`, `target`, `weight`, of the edges in the order of the ranks of their
            sources; `offsets`, int32 [ranks + 1], where a rank's edges begin; `visited`, the
            places in the order of their ranks; `visits`, int32 [ranks], where a rank's places
            begin; `rank_of`, int32 [places].
        chosen: bool [segments].
        segment: int32 [places].

    Returns:
        The same for fewer edges, and int32 [edges], where these were before.
    """
    source, target, weight, offsets, visited, visits, rank_of = edges
    keep = tf.gather(chosen, tf.gather(segment, source))
    names = _where(keep)
    counts = tf.concat([[0], tf.cumsum(tf.cast(keep, tf.int32))], 0)
    source, target, weight = (tf.gather(values, names) for values in (source, target, weight))
    keep = tf.gather(chosen, tf.gather(segment, visited))
    visit_counts = tf.cumsum(tf.cast(keep, tf.int32), exclusive=True)
    return (
        source,
        target,
        weight,
        tf.gather(counts, offsets),
        tf.gather(visited, _where(keep)),
        tf.gather(visit_counts, visits),
        rank_of,
        names,
    )


def _behind_first_resets(was_reset: tf.Tensor, chained: tf.Tensor) -> tf.Tensor:
    """Says before which segments chains of sums begin because of resets.

    Of the resets in one chain only the first is sure: what follows has begun wrongly.

    Args:
        was_reset: bool [segments].
        chained: bool [segments], where chains began so far.

    Returns:
        bool [segments].
    """
    link = tf.cumsum(tf.cast(chained, tf.int32)) - 1
    count = tf.cumsum(tf.cast(was_reset, tf.int32))
    before = tf.gather(count - tf.cast(was_reset, tf.int32), _where(chained))
    sure = was_reset & tf.equal(count - tf.gather(before, link), 1)
    return tf.concat([[False], sure[:-1]], 0)


def _every_other(chosen: tf.Tensor) -> tf.Tensor:
    """Keeps the first, third, fifth... of each run of chosen places."""
    places = tf.range(tf.size(chosen))
    before = places - _last_true(~chosen, -1)  # 1 for the first of a run
    return chosen & tf.equal(before % 2, 1)


def _safe(chosen, several, local, symbol, merged, best, pairs, ranks) -> tf.Tensor:
    """Of the chosen pairs, keeps those that may be merged at once.

    Args:
        chosen: bool [symbols], whether to merge with the next symbol.
        several: bool [segments], where more than one is chosen.
        local: int32 [symbols], the segment.
        symbol: int32 [symbols].
        merged: int32 [symbols], what a symbol gives with the next one.
        best: int32 [symbols], the rank of the chosen pairs of the segment.
        pairs: Looks up what two symbols give.
        ranks: int32 [all symbols], higher for what is merged earlier.

    Returns:
        bool [symbols]. Where merging all would skip a pair that comes first, only the leftmost.
    """
    n = tf.size(symbol)
    at = _where(chosen & tf.gather(several, local))
    here = tf.gather(local, at)
    new = tf.gather(merged, at)
    # With what follows, as it was; with what precedes, as it is after all merges to the left.
    after = tf.minimum(at + 2, n - 1)
    right = tf.where(
        (at + 2 < n) & tf.equal(tf.gather(local, after), here), tf.gather(symbol, after), 0
    )
    before = tf.maximum(at - 1, 0)
    two_before = tf.maximum(at - 2, 0)
    left = tf.where(
        (at > 1) & tf.gather(chosen, two_before),
        tf.gather(merged, two_before),
        tf.gather(symbol, before),
    )
    left = tf.where((at > 0) & tf.equal(tf.gather(local, before), here), left, 0)
    arising = tf.maximum(tf.gather(ranks, pairs(new, right)), tf.gather(ranks, pairs(left, new)))
    bad = tf.math.unsorted_segment_max(
        tf.cast(arising >= tf.gather(best, at), tf.int32), here, tf.size(several)
    )
    places = tf.range(n)
    leftmost = tf.math.segment_min(tf.where(chosen, places, BIG), local)
    return chosen & ((tf.gather(bad, local) <= 0) | tf.equal(places, tf.gather(leftmost, local)))
