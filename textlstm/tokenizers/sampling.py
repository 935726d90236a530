"""Segmentations drawn at random, for subword regularisation while training.

The `sentencepiece` package samples, too, but what it draws differs from process to process,
whatever the seed, so that no training could be repeated or resumed. Here every draw comes from a
NumPy generator.

How rows of ids become rows of other ids of the same texts:

1. **Places.** A row is spelled out: a place for each character of its pieces. What is no ordinary
   piece (unknown, byte, user-defined symbol, end mark) is *fixed*: one place, and stays as it is.
   All rows lie one after the other in flat arrays, and every step treats all places at once.
2. **Matches.** From every place the tree of pieces is walked: each match is an *edge* from its
   first place to the one behind its last. Where no edge crosses, the text is cut; the *segments*
   between cuts, mostly words, do not influence each other's segmentation.
3. **Draws.** For a unigram model a path through each segment (`_sample_paths`), for a BPE model
   merges of which some are dropped (`_merge_with_dropout`).
"""

from collections.abc import Sequence

import numpy as np

from textlstm.tokenizers.sentencepiece_model import NORMAL, PairTable, SentencePieceTables


class SegmentationSampler:
    """Draws segmentations of encoded texts.

    Args:
        tables: A model of type unigram or bpe.
        end_id: The id that ends every row; it may lie behind the model's pieces.
    """

    def __init__(self, tables: SentencePieceTables, end_id: int):
        self._tables = tables
        self._end_id = end_id
        self._is_fixed = np.append(tables.types != NORMAL, True)
        spelled = [
            (0,) if fixed else tables.characters.encode(piece)
            for piece, fixed in zip([*tables.pieces, ""], self._is_fixed, strict=True)
        ]
        self._lengths = np.array([len(numbers) for numbers in spelled])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._numbers = np.concatenate(spelled).astype(np.int32)

    def sample(
        self, rows: Sequence[np.ndarray], alpha: float, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Draws another segmentation of each row.

        Args:
            rows: int32 [length] each, the ids of a text, ended by the end mark.
            alpha: As in `SentencePieceTokenizer.sample`.
            rng: Where the draws come from.

        Returns:
            int32 [length] each, ended by the end mark.
        """
        if not rows:
            return []
        ids = np.concatenate(rows)
        known = np.minimum(ids, len(self._lengths) - 1)  # an added end id has the last entry
        lengths = self._lengths[known]
        first = np.cumsum(lengths) - lengths  # the place of each id's first character
        inside = np.arange(lengths.sum()) - np.repeat(first, lengths)
        numbers = self._numbers[np.repeat(self._starts[known], lengths) + inside]  # [places]
        fixed = np.full(len(numbers), -1, np.int32)  # [places], the id that stays, or -1
        is_fixed = self._is_fixed[known]
        fixed[first[is_fixed]] = ids[is_fixed]

        start, stop, piece = self._find_matches(numbers)
        segment_starts = _cut(start, stop, len(numbers))
        if self._tables.model_type == "unigram":
            held = np.flatnonzero(fixed >= 0)
            weights = np.concatenate([alpha * self._tables.scores[piece], np.zeros(len(held))])
            start, stop = np.concatenate([start, held]), np.concatenate([stop, held + 1])
            piece = np.concatenate([piece, fixed[held]])
            taken = _sample_paths(start, stop, weights, segment_starts, len(numbers), rng)
            places, ids = start[taken], piece[taken]
        else:
            places, ids = self._merge_with_dropout(numbers, fixed, segment_starts, alpha, rng)
        ends = np.cumsum([len(row) for row in rows]) - 1  # of the rows given
        ends = np.searchsorted(places, first[ends]) + 1  # of those drawn
        return np.split(ids.astype(np.int32), ends[:-1])

    def _find_matches(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step 2: finds all pieces; returns where each begins, the place behind it, and its id."""
        trie = self._tables.trie
        numbers = np.append(numbers, 0)  # no piece goes on behind the end
        at, node = np.arange(len(numbers) - 1), np.zeros(len(numbers) - 1, np.int32)
        found, depth = [], 0
        while len(at):
            node = _look_up(trie.transitions, node, numbers[at + depth])
            depth += 1
            at, node = at[node > 0], node[node > 0]
            piece = trie.values[node]
            usable = (piece >= 0) & (self._tables.types[piece] == NORMAL)
            found.append((at[usable], at[usable] + depth, piece[usable]))
        return tuple(np.concatenate(column) for column in zip(*found, strict=True))

    def _merge_with_dropout(
        self,
        numbers: np.ndarray,
        fixed: np.ndarray,
        segment_starts: np.ndarray,
        alpha: float,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Merges neighbouring symbols, the best pair of each segment first, in rounds.

        When two symbols become neighbours, their merge is dropped with probability `alpha`.

        Args:
            numbers: int32 [places], the characters' numbers.
            fixed: int32 [places], the id that stays, or -1.
            segment_starts: Where the segments begin.
            alpha: The probability of being dropped.
            rng: Where the draws come from.

        Returns:
            Where the tokens begin, ascending, and their ids.
        """
        tables = self._tables
        num_places = len(numbers)
        at = np.arange(num_places)
        segment = np.cumsum(np.bincount(segment_starts, minlength=num_places))
        symbol = tables.character_symbols[numbers]  # 0, for what is fixed, merges with nothing
        dropped = rng.random(num_places) < alpha  # of each symbol's pair with the next one
        allowed = np.append(tables.unused_symbols == 0, True)
        result = symbol.copy()  # [places], the symbol that begins there, or -1 inside of one
        while len(at):
            merged = _look_up(tables.merges, symbol[:-1], symbol[1:])
            merged[(segment[:-1] != segment[1:]) | dropped[:-1] | ~allowed[merged]] = 0
            merged = np.append(merged, 0)
            rank = tables.merge_ranks[merged]
            begins = np.flatnonzero(np.diff(segment, prepend=-1))
            sizes = np.diff(begins, append=len(at))
            best = np.repeat(np.maximum.reduceat(rank, begins), sizes)
            candidates = np.flatnonzero((rank == best) & (best > 0))
            _, leftmost = np.unique(segment[candidates], return_index=True)
            chosen = candidates[leftmost]

            symbol[chosen] = result[at[chosen]] = merged[chosen]
            result[at[chosen + 1]] = -1
            # The new symbol has a new neighbour behind it, and is one to that before it.
            draws = rng.random((2, len(chosen))) < alpha
            dropped[chosen] = draws[0]
            has_left = chosen > 0
            dropped[chosen[has_left] - 1] = draws[1][has_left]
            keep = best > 0
            keep[chosen + 1] = False
            at, symbol, segment, dropped = (v[keep] for v in (at, symbol, segment, dropped))
        places = np.flatnonzero(result >= 0)
        single = tables.trie.values[
            _look_up(tables.trie.transitions, np.zeros_like(numbers), numbers)
        ]
        ids = np.where(result > 0, tables.symbol_ids[result], single)
        return places, np.where(fixed >= 0, fixed, ids)[places]


def _look_up(table: PairTable, row: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns the value of each pair, or 0."""
    slot = table.base[row] + label
    return np.where(table.owners[slot] == row, table.values[slot], 0)


def _cut(start: np.ndarray, stop: np.ndarray, num_places: int) -> np.ndarray:
    """Returns the places over which no edge passes: where the segments begin."""
    opening = np.bincount(start + 1, minlength=num_places + 2)
    closing = np.bincount(stop, minlength=num_places + 2)
    return np.flatnonzero(np.cumsum(opening - closing)[:num_places] == 0)


def _sample_paths(
    start: np.ndarray,
    stop: np.ndarray,
    weights: np.ndarray,
    segment_starts: np.ndarray,
    num_places: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws a path through each segment, with probability ∝ exp(the sum of its weights).

    Forward, `inside[p]`, the logarithm of the sum over all paths from the segment's begin to the
    place p, is found edge length by edge length; backward, from each segment's end, an edge is
    drawn among those that end where one stands, with probability ∝ exp(inside[start] + weight).

    Args:
        start: int [edges], where each begins.
        stop: int [edges], the place behind it.
        weights: float64 [edges].
        segment_starts: int [segments].
        num_places: The number of places.
        rng: Where the draws come from.

    Returns:
        The edges of all paths, in the order of the text.
    """
    is_cut = np.zeros(num_places + 1, bool)
    is_cut[segment_starts] = is_cut[num_places] = True
    segment_of = np.cumsum(is_cut) - 1  # [places + 1]
    behind = stop - segment_starts[segment_of[start]]  # how far into its segment an edge ends
    order = np.lexsort((start, stop, behind))
    start, stop, behind, weights = (v[order] for v in (start, stop, behind, weights))

    inside = np.where(is_cut, 0.0, -np.inf)  # [places + 1]
    totals = np.empty(len(start))  # [edges]
    bounds = np.searchsorted(behind, np.arange(1, behind[-1] + 2))
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        totals[low:high] = inside[start[low:high]] + weights[low:high]
        heads = np.flatnonzero(np.diff(stop[low:high], prepend=-1))
        if len(heads):
            sums = np.logaddexp.reduceat(totals[low:high], heads)
            ends = stop[low:high][heads]
            inside[ends] = np.where(is_cut[ends], 0.0, sums)

    # The largest of numbers with Gumbel noise is each with the probability of its exponential.
    # Edges that end at one place lie together, for these are of one segment.
    noisy = totals + rng.gumbel(size=len(totals))
    heads = np.flatnonzero(np.diff(stop, prepend=-1))
    largest = np.repeat(np.maximum.reduceat(noisy, heads), np.diff(heads, append=len(stop)))
    drawn = np.full(num_places + 1, -1)
    winners = np.flatnonzero(noisy == largest)
    drawn[stop[winners]] = winners  # [places + 1], the edge by which one comes to a place

    taken, here = [], np.append(segment_starts[1:], num_places)
    while len(here):
        edges = drawn[here]
        taken.append(edges)
        here = start[edges]
        here = here[~is_cut[here]]
    taken = np.concatenate(taken)
    return order[taken[np.argsort(start[taken])]]
