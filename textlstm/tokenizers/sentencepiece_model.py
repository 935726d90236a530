"""Reads a SentencePiece model into plain NumPy tables that a graph can look things up in.

A `.model` file is a serialized `ModelProto`: the pieces with their scores and types, and the
rules that normalize a text before it is cut into pieces. `SentencePieceTables` holds the same
as flat arrays, in the shape in which the package `graph` walks them:

- `CharacterTable` numbers the characters that occur in a set of strings, so that every other
  table is indexed by small numbers;
- `PairTable` maps `(row, label)` to a value with three array reads. It is a *row displacement*
  table: the sparse rows are slid over each other into one array until none of their entries
  collide, and each slot remembers which row it belongs to;
- `Trie` is a prefix tree over character numbers, whose transitions are a `PairTable`.

There is no TensorFlow in this file.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from sentencepiece import sentencepiece_model_pb2

from textlstm.errors import InputError

# Piece types of the `ModelProto`.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}

SPACE_SYMBOL = 0x2581  # "▁", which stands for a space inside pieces
# Codes beyond the last code point (0x10FFFF) for what is no character.
MALFORMED = 0x110000  # a byte that is not part of well-formed UTF-8
HEAD = 0x110001  # the place of the space that is put before a text
TAIL = 0x110002  # the place of the space that is put after a text
END = 0x110003  # the end of a text
NUM_CODES = 0x110100

# An unknown character scores this much less than the worst piece (unigram models).
UNKNOWN_PENALTY = np.float32(10.0)
# A user-defined symbol of n bytes scores this times (n - 1), more than pieces can.
USER_DEFINED_BONUS = np.float32(0.1)


def parse_model(serialized: bytes) -> sentencepiece_model_pb2.ModelProto:
    """Parses a serialized SentencePiece model.

    Args:
        serialized: The bytes of a `.model` file.

    Returns:
        The `ModelProto`.

    Raises:
        InputError: If the bytes are not a SentencePiece model.
    """
    proto = sentencepiece_model_pb2.ModelProto()
    try:
        proto.ParseFromString(serialized)
    except Exception:
        proto = None
    if proto is None or not proto.pieces:
        raise InputError(
            f"`model` is not a SentencePiece model: {len(serialized)} bytes that begin with "
            f"{serialized[:16]!r}; give the bytes of a `.model` file."
        )
    return proto


class CharacterTable:
    """Numbers the characters of a set of strings from 1; every other character is 0.

    A two-level table: `pages[code >> 8] * 256 + (code & 255)` is the place in `numbers`.
    """

    def __init__(self, characters: Iterable[str]):
        self.index = {c: i + 1 for i, c in enumerate(sorted(set(characters)))}
        codes = np.array([ord(c) for c in self.index], dtype=np.int64)
        used_pages = np.unique(codes >> 8)
        self.pages = np.zeros(NUM_CODES >> 8, dtype=np.int32)
        self.pages[used_pages] = np.arange(1, len(used_pages) + 1)
        # Page 0 is the empty one.
        self.numbers = np.zeros((len(used_pages) + 1) * 256, dtype=np.int32)
        self.numbers[self.pages[codes >> 8] * 256 + (codes & 255)] = np.arange(1, len(codes) + 1)
        self.size = len(codes) + 1

    def encode(self, text: str) -> tuple[int, ...]:
        """Returns the numbers of the characters of `text`."""
        return tuple(self.index[c] for c in text)


class PairTable:
    """A sparse map from `(row, label)` to a positive value, packed into three arrays.

    `slot = base[row] + label`; the value is `values[slot]` if `owners[slot] == row`, else there
    is none (0).
    """

    def __init__(self, rows: Sequence[dict[int, int]], num_labels: int):
        self.base = np.zeros(max(len(rows), 1), dtype=np.int32)
        entries = sum(len(row) for row in rows)
        capacity = 2 * entries + 2 * num_labels + 1024
        used = np.zeros(capacity, dtype=bool)
        owners = np.full(capacity, -1, dtype=np.int32)
        values = np.zeros(capacity, dtype=np.int32)

        # Wide rows first, while there is room; each to the first place where all its labels fall
        # on free slots.
        first_free = 0
        order = sorted(
            (r for r in range(len(rows)) if len(rows[r]) > 1), key=lambda r: -len(rows[r])
        )
        for r in order:
            labels = np.fromiter(sorted(rows[r]), dtype=np.int64)
            while used[first_free]:
                first_free += 1
            base = self._find_base(used, labels, first_free)
            while base + num_labels >= capacity:
                used = np.concatenate([used, np.zeros(capacity, dtype=bool)])
                owners = np.concatenate([owners, np.full(capacity, -1, dtype=np.int32)])
                values = np.concatenate([values, np.zeros(capacity, dtype=np.int32)])
                capacity *= 2
            slots = base + labels
            used[slots] = True
            owners[slots] = r
            values[slots] = [rows[r][int(label)] for label in labels]
            self.base[r] = base

        # Rows of one entry fill the gaps: any free slot does that lies at or beyond the label.
        singles = [(next(iter(row.items())), r) for r, row in enumerate(rows) if len(row) == 1]
        free = np.flatnonzero(~used[num_labels:])[: len(singles)] + num_labels
        if len(free) < len(singles):
            extra = len(singles) - len(free)
            free = np.concatenate([free, np.arange(capacity, capacity + extra)])
            owners = np.concatenate([owners, np.full(extra, -1, dtype=np.int32)])
            values = np.concatenate([values, np.zeros(extra, dtype=np.int32)])
        for ((label, value), r), slot in zip(singles, free, strict=True):
            owners[slot] = r
            values[slot] = value
            self.base[r] = slot - label

        size = int(self.base.max()) + num_labels + 1
        self.owners = np.full(size, -1, dtype=np.int32)
        self.values = np.zeros(size, dtype=np.int32)
        kept = min(size, len(owners))
        self.owners[:kept] = owners[:kept]
        self.values[:kept] = values[:kept]

    @staticmethod
    def _find_base(used: np.ndarray, labels: np.ndarray, first_free: int) -> int:
        """Returns the smallest base >= 0 at which every label falls on a free slot."""
        start = max(first_free - int(labels[0]), 0)
        window = 256
        while True:
            stop = start + window
            if stop + int(labels[-1]) >= len(used):
                # Beyond the table everything is free.
                used = np.concatenate([used, np.zeros(stop + int(labels[-1]) + 1, dtype=bool)])
            free = ~used[start + labels[0] : stop + labels[0]]
            for label in labels[1:]:
                free &= ~used[start + label : stop + label]
                if not free.any():
                    break
            if free.any():
                return start + int(np.argmax(free))
            start = stop
            window = min(2 * window, 1 << 16)


class Trie:
    """A prefix tree over character numbers. Node 0 is the root, and also means "no node".

    Attributes:
        transitions: `PairTable` from `(node, character)` to the next node.
        values: int32 [nodes], the value of the string that ends at a node, or -1.
    """

    def __init__(self, entries: Iterable[tuple[Sequence[int], int]], num_characters: int):
        children: list[dict[int, int]] = [{}]
        values = [-1]
        for key, value in entries:
            node = 0
            for character in key:
                following = children[node].get(character)
                if following is None:
                    following = len(children)
                    children[node][character] = following
                    children.append({})
                    values.append(-1)
                node = following
            values[node] = value
        self.transitions = PairTable(children, num_characters)
        self.values = np.array(values, dtype=np.int32)


class NormalizationRules:
    """The normalization rules of a model: which bytes are replaced by what.

    The rules are a byte-wise prefix tree in a *double array* (that of the Darts library): from
    state `s`, the byte `b` leads to slot `t = s ^ b` if `labels[t] == b`; a rule ends there if
    `values[t] >= 0`; and the next state is `jumps[t]`. The first state is `start`. As the tree
    shares its branches it is never unfolded (that would be some 200,000 nodes).

    Args:
        blob: `precompiled_charsmap`: the size in bytes of the array (uint32), the array, then
            the replacements, each ended by NUL.

    Attributes:
        labels, jumps, values: int32 [slots], the array. A value is the number of a replacement.
        start: The first state.
        starts, lengths, codes: Replacement `i` is `codes[starts[i] : starts[i] + lengths[i]]`,
            in code points.

    Raises:
        InputError: If the rules are damaged.
    """

    def __init__(self, blob: bytes):
        size = int.from_bytes(blob[:4], "little")
        if size % 4 or size < 4 or 4 + size >= len(blob):
            raise InputError(
                f"`model` has damaged normalization rules: an array of {size} bytes in "
                f"{len(blob)}; use the model file as SentencePiece wrote it."
            )
        units = np.frombuffer(blob, dtype="<u4", count=size // 4, offset=4).astype(np.int64)
        # Slots are reached by exclusive-or with a byte: round up to whole blocks of 256.
        units = np.concatenate([units, np.full(-len(units) % 256, 0x80000000)])
        offsets = (units >> 10) << ((units & (1 << 9)) >> 6)
        jumps = np.arange(len(units)) ^ offsets
        # What holds a value, or leads out of the array, is no place to go to.
        valid = (units < 0x80000000) & (jumps < len(units))
        self.start = int(jumps[0])
        self.labels = np.where(valid, units & 0xFF, -1).astype(np.int32)
        self.jumps = np.where(valid, jumps, 0).astype(np.int32)
        ends = valid & ((units >> 8) & 1 == 1)
        places = units[self.jumps] & 0x7FFFFFFF
        strings = blob[4 + size :]
        used = np.unique(places[ends & (places < len(strings))])
        try:
            texts = [strings[p : strings.index(b"\0", p)].decode("utf-8") for p in used]
        except ValueError as error:
            raise InputError(
                f"`model` has damaged normalization rules ({error}); use the model file as "
                "SentencePiece wrote it."
            ) from error
        numbers = np.searchsorted(used, places)
        known = ends & np.isin(places, used)
        self.values = np.where(known, numbers, -1).astype(np.int32)
        self.lengths = np.array([*map(len, texts), 0], dtype=np.int32)
        self.starts = np.cumsum([0, *map(len, texts)]).astype(np.int32)
        self.codes = np.array([ord(c) for text in texts for c in text], dtype=np.int32)


class SentencePieceTables:
    """The content of a SentencePiece model as arrays.

    Args:
        serialized: The bytes of a `.model` file.

    Attributes:
        model_type: `"unigram"`, `"bpe"` or `"char"`.
        pieces: The pieces by id.
        types: int32 [pieces], the piece types.
        scores: float32 [pieces], as they count in a search: for unigram models that of a
            user-defined symbol is its bonus.
        unknown_id, byte_fallback, unknown_surface, byte_ids: As in the model; `byte_ids` is
            int32 [256], all -1 without byte fallback.
        add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, whitespace_as_suffix:
            The options of the normalizer.
        characters: `CharacterTable` of the characters of the pieces.
        rules: `NormalizationRules`, or `None`.
        symbols: `Trie` of the user-defined symbols (values are ids), or `None`.
        trie: `Trie` of the pieces that a search may use (values are ids).
        unknown_score: float32, the score of a character that is no piece.

    Raises:
        InputError: If the model is none, or of type `word`.
    """

    def __init__(self, serialized: bytes):
        proto = parse_model(serialized)
        self.model_type = MODEL_TYPES.get(proto.trainer_spec.model_type, "unknown")
        if self.model_type not in ("unigram", "bpe", "char"):
            raise InputError(
                f"`model` is a SentencePiece model of type {self.model_type!r}; the types unigram, "
                "bpe and char are supported. Train it again with one of those."
            )
        self.pieces = [piece.piece for piece in proto.pieces]
        self.types = np.array([piece.type for piece in proto.pieces], dtype=np.int32)
        self.scores = np.array([piece.score for piece in proto.pieces], dtype=np.float32)
        self.unknown_id = int(np.argmax(self.types == UNKNOWN))
        self.byte_fallback = bool(proto.trainer_spec.byte_fallback)
        self.unknown_surface = proto.trainer_spec.unk_surface
        self.byte_ids = np.full(256, -1, dtype=np.int32)
        for i in np.flatnonzero(self.types == BYTE):
            self.byte_ids[int(self.pieces[i][3:5], 16)] = i

        normalizer = proto.normalizer_spec
        self.add_dummy_prefix = bool(normalizer.add_dummy_prefix)
        self.remove_extra_whitespaces = bool(normalizer.remove_extra_whitespaces)
        self.escape_whitespaces = bool(normalizer.escape_whitespaces)
        self.whitespace_as_suffix = bool(proto.trainer_spec.treat_whitespace_as_suffix)
        if proto.denormalizer_spec.precompiled_charsmap:
            raise InputError(
                "`model` has a denormalizer, which textlstm does not apply; train the model "
                "without `denormalization_rule_tsv`."
            )

        blob = normalizer.precompiled_charsmap
        self.rules = NormalizationRules(blob) if blob else None
        self.characters = CharacterTable(c for piece in self.pieces for c in piece)
        self._set_pieces()

    def _set_pieces(self) -> None:
        user_defined = np.flatnonzero(self.types == USER_DEFINED)
        self.symbols = (
            Trie(
                ((self.characters.encode(self.pieces[i]), int(i)) for i in user_defined),
                self.characters.size,
            )
            if len(user_defined)
            else None
        )
        normal = self.types == NORMAL
        worst = self.scores[normal].min() if normal.any() else np.finfo(np.float32).max
        self.unknown_score = np.float32(worst - UNKNOWN_PENALTY)
        usable = [NORMAL, USER_DEFINED]
        if self.model_type == "bpe":
            # They take part in merging, and are taken apart afterwards.
            usable.append(UNUSED)
        if self.model_type == "unigram":
            for i in user_defined:
                size = len(self.pieces[i].encode("utf-8"))
                self.scores[i] = USER_DEFINED_BONUS * np.float32(size - 1)
        self.trie = Trie(
            (
                (self.characters.encode(piece), i)
                for i, piece in enumerate(self.pieces)
                if self.types[i] in usable
                and (self.model_type != "char" or len(piece) == 1)
                and (self.types[i] != UNUSED or len(piece) > 1)
            ),
            self.characters.size,
        )
        if self.model_type == "bpe":
            self._set_merges()

    def _set_merges(self) -> None:
        """Tables of a BPE model: which two symbols merge into which, and how early.

        A *symbol* is a character or piece that can be part of a piece; they are numbered from 1.
        `merges` maps `(left symbol, right symbol)` to the merged symbol. `merge_ranks` is higher
        for what is merged earlier (0 for "cannot be merged"). `symbol_ids` gives a symbol's
        id (that of unknown, if a character is no piece), `symbol_sizes` its number of characters,
        and `character_symbols` a character's symbol. `unused_symbols` numbers (from 1) the
        symbols whose pieces must not come out, but are taken apart again; there are `num_unused`
        of them.
        """
        mergeable = [
            i
            for i, piece in enumerate(self.pieces)
            if self.types[i] in (NORMAL, UNUSED) and len(piece) > 1
        ]
        numbers: dict[str, int] = {}
        for i in mergeable:
            for c in self.pieces[i]:
                numbers.setdefault(c, len(numbers) + 1)
        for i in mergeable:
            numbers.setdefault(self.pieces[i], len(numbers) + 1)
        rows: list[dict[int, int]] = [{} for _ in range(len(numbers) + 1)]
        for i in mergeable:
            piece = self.pieces[i]
            for cut in range(1, len(piece)):
                left, right = numbers.get(piece[:cut]), numbers.get(piece[cut:])
                if left is not None and right is not None:
                    rows[left][right] = numbers[piece]
        self.merges = PairTable(rows, len(numbers) + 1)

        ids = {piece: i for i, piece in enumerate(self.pieces)}
        self.symbol_ids = np.full(len(numbers) + 1, self.unknown_id, dtype=np.int32)
        for text, number in numbers.items():
            i = ids.get(text, self.unknown_id)
            # A single character that must not come out is unknown.
            lost = len(text) == 1 and self.types[i] == UNUSED
            self.symbol_ids[number] = self.unknown_id if lost else i
        self.symbol_sizes = np.array([0, *map(len, numbers)], dtype=np.int32)
        unused = [numbers[self.pieces[i]] for i in mergeable if self.types[i] == UNUSED]
        self.num_unused = len(unused)
        self.unused_symbols = np.zeros(len(numbers) + 1, dtype=np.int32)
        self.unused_symbols[unused] = np.arange(1, len(unused) + 1)
        # Scores are compared by their bits, so that -0.0 is less than 0.0.
        bits = self.scores.view(np.int32).astype(np.int64)
        keys = np.where(bits < 0, -(bits & 0x7FFFFFFF) - 1, bits)
        _, ranks = np.unique(keys, return_inverse=True)
        self.merge_ranks = np.zeros(len(numbers) + 1, dtype=np.int32)
        for i in mergeable:
            self.merge_ranks[numbers[self.pieces[i]]] = ranks[i] + 1
        self.character_symbols = np.zeros(self.characters.size, dtype=np.int32)
        for c, number in self.characters.index.items():
            self.character_symbols[number] = numbers.get(c, 0)

    def surfaces(self) -> tuple[list[str], list[str]]:
        """Returns the text of each piece, inside a text and at its beginning."""
        inside, first = [], []
        strips = self.add_dummy_prefix or self.remove_extra_whitespaces
        for piece, kind in zip(self.pieces, self.types, strict=True):
            if kind == CONTROL:
                text = start = ""
            elif kind == UNKNOWN:
                text = start = self.unknown_surface
            else:
                text = piece.replace("▁", " ")
                start = text[1:] if strips and piece.startswith("▁") else text
            inside.append(text)
            first.append(start)
        return inside, first
