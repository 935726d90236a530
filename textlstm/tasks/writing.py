"""Options of what a language model writes, and the text of its tokens, piece by piece."""

from collections.abc import Iterator, Sequence

import numpy as np
from keras import ops

from textlstm.decoding import Sampler
from textlstm.errors import InputError
from textlstm.tokenizers import SentencePieceTokenizer


def checked_options(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty) -> dict:
    """Returns the options of a `Sampler` that are given, once they are known to make sense."""
    for name, value, is_right, takes in (
        ("max_tokens", max_tokens, max_tokens >= 1, "at least 1"),
        ("temperature", temperature, 0 <= temperature < np.inf, "0 or more"),
        ("top_k", top_k, top_k is None or top_k >= 0, "0 (all) or more"),
        ("top_p", top_p, top_p is None or 0 < top_p <= 1, "in (0, 1]"),
        ("min_p", min_p, min_p is None or 0 <= min_p <= 1, "in [0, 1]"),
        (
            "repetition_penalty",
            repetition_penalty,
            repetition_penalty is None or repetition_penalty > 0,
            "above 0",
        ),
    ):
        if not is_right:
            raise InputError(f"{name} must be {takes}; got {value!r}")
    options = {
        "temperature": np.float32(temperature),
        "top_k": None if top_k is None else np.int32(top_k),
        "top_p": None if top_p is None else np.float32(top_p),
        "min_p": None if min_p is None else np.float32(min_p),
        "repetition_penalty": None
        if repetition_penalty is None
        else np.float32(repetition_penalty),
    }
    return {name: value for name, value in options.items() if value is not None}


def checked_stops(stop) -> tuple[str, ...]:
    """Returns stop strings, given as one or several, once they are known to make sense."""
    stops = (stop,) if isinstance(stop, str) and stop else tuple(stop or ())
    if not all(isinstance(s, str) and s for s in stops):
        raise InputError(f"stop must be a string or several, none of them empty; got {stop!r}")
    return stops


def row_seeds(seed, rows: int) -> np.ndarray:
    """Returns a seed for each row, int32 `[rows]`."""
    seeds = np.asarray(seed)
    if seeds.ndim == 0:
        seeds = seeds + np.arange(rows)
    if seeds.shape != (rows,):
        raise InputError(
            f"there are {rows} prompts and seeds of shape {seeds.shape}; give one for each, or one"
        )
    return seeds.astype(np.int64).astype(np.int32)


def seed_count(search) -> int:
    """Returns how many seeds a `Sampler` of the user's has; 1 for any other search."""
    return np.size(ops.convert_to_numpy(search.seeds)) if isinstance(search, Sampler) else 1


def check_seeds(search, rows: int, batch_size: int) -> None:
    """Raises an `InputError` if a `Sampler` of the user's does not have a seed for each row."""
    count = seed_count(search)
    if rows and count not in (1, rows):
        raise InputError(
            f"there are {rows} texts, and the Sampler has {count} seeds; give it one for all, "
            "seeds=[7], or one for each"
        )
    if rows and 1 < count > batch_size:
        raise InputError(
            f"the Sampler has {count} seeds, and {batch_size} texts are computed at once; give a "
            "larger batch_size"
        )


def cut_at(text: str, stops: tuple[str, ...]) -> str:
    """Returns a text up to the stop string that is the first to be complete, as one reads."""
    places = [(text.find(stop), stop) for stop in stops]
    ends = [(place + len(stop), place) for place, stop in places if place >= 0]
    return text[: min(ends)[1]] if ends else text


def in_pieces(
    tokens: Iterator[int], tokenizer: SentencePieceTokenizer, stops, before: Sequence[int] = ()
) -> Iterator[str]:
    """Decodes tokens as they come behind those `before` them, and ends before a stop string."""
    anchor = _anchor([int(token) for token in before], tokenizer)
    open_tokens: list[int] = []  # those whose last character is not whole yet
    held = ""  # what may be the beginning of a stop string
    longest = max((len(stop) for stop in stops), default=1) - 1
    for token in tokens:
        open_tokens.append(token)
        text = _behind(anchor, open_tokens, tokenizer)
        done = len(open_tokens)
        if text.endswith("\ufffd"):
            done -= 3  # tokens may yet become a character, of 4 bytes at most, with the next
            if done < 1:
                continue
            text = _behind(anchor, open_tokens[:done], tokenizer)
        anchor = _anchor(anchor + open_tokens[:done], tokenizer)
        open_tokens = open_tokens[done:]
        held += text
        cut = cut_at(held, stops)
        if cut != held:
            if cut:
                yield cut
            return
        keep = next(
            (n for n in range(min(longest, len(held)), 0, -1) if _may_begin(held[-n:], stops)), 0
        )
        piece, held = held[: len(held) - keep], held[len(held) - keep :]
        if piece:
            yield piece
    if open_tokens:
        held = cut_at(held + _behind(anchor, open_tokens, tokenizer), stops)
    if held:
        yield held


def _behind(anchor: list[int], ids: list[int], tokenizer) -> str:
    """Returns the text of `ids` as it stands behind the token that is the anchor."""
    return tokenizer.decode(anchor + ids)[len(tokenizer.decode(anchor)) :]


def _anchor(ids: list[int], tokenizer) -> list[int]:
    """Returns the last of the tokens, as many as make some text: they keep the space behind."""
    begin = len(ids) - 1
    while begin > 0 and not tokenizer.decode(ids[begin:]):
        begin -= 1
    return ids[max(begin, 0) :]


def _may_begin(text: str, stops) -> bool:
    return any(stop.startswith(text) for stop in stops)
