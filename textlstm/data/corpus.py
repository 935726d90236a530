"""Texts encoded once, as one long row of ids, in memory or on disk.

On disk a corpus is a folder:

```
ids.bin       the ids of all rows one after another, int32, little endian
offsets.npy   int64: row i is ids[offsets[i]:offsets[i + 1]]
labels.npy    only where the rows have labels: int32 [rows], the class of each row, or, where a row
              may have several, float32 [rows, labels], 1 where it has the label and 0 elsewhere
corpus.json   counts, label names, fingerprint; written last
```

The ids are mapped, not loaded, so a corpus may be larger than memory.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from textlstm.data.examples import Example
from textlstm.errors import InputError

_FORMAT = 1
_IDS = np.dtype("<i4")


class Encoder(Protocol):
    """What a corpus needs of a tokenizer."""

    end_id: int

    def encode(self, texts: list[str | bytes]) -> list[np.ndarray]:
        """Returns the int32 ids of each text, the last of them `end_id`."""


class EncodedCorpus:
    """Rows of token ids, each with its label; made by `build`, or from disk by `open`.

    Args:
        ids: the ids of all rows, int32 `[tokens]`.
        starts: where each row begins in `ids`, int64 `[rows]`.
        lengths: how many ids each row has, int32 `[rows]`.
        labels: the class of each row, int32 `[rows]`; or, where a row may have several labels,
            float32 `[rows, labels]`, 1 where it has the label and 0 elsewhere; or `None`.
        label_names: the names of the classes.
        cut: how many rows were longer than `max_tokens`.
        max_tokens: the longest that a row could be, or `None`.
        fingerprint: what the corpus was made from, in the maker's words.
    """

    def __init__(
        self,
        ids: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        labels: np.ndarray | None = None,
        label_names: Sequence[str] = (),
        cut: int = 0,
        max_tokens: int | None = None,
        fingerprint: str = "",
    ):
        self._ids = ids
        self._starts = starts
        self.lengths = lengths
        self.labels = labels
        self.label_names = tuple(label_names)
        self.cut = cut
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """The number of ids in all rows."""
        return int(self.lengths.sum(dtype=np.int64))

    @property
    def multi_label(self) -> bool:
        """Whether a row may have several labels, or none of them."""
        return self.labels is not None and self.labels.ndim == 2

    def ids(self, row: int) -> np.ndarray:
        """Returns the ids of one row, int32 `[length]`."""
        start = self._starts[row]
        return self._ids[start : start + self.lengths[row]]

    def padded(self, rows: np.ndarray, width: int, pad_id: int) -> np.ndarray:
        """Returns some rows as int32 `[len(rows), width]`, filled at the right with `pad_id`."""
        lengths = self.lengths[rows]  # [rows]
        held = np.arange(width) < lengths[:, None]  # [rows, width]
        out = np.full((len(rows), width), pad_id, np.int32)
        # Where the first id of each row stands in `ids`, less where it stands among those taken.
        shift = self._starts[rows] - (np.cumsum(lengths, dtype=np.int64) - lengths)
        out[held] = self._ids[np.repeat(shift, lengths) + np.arange(lengths.sum())]
        return out

    def subset(self, rows: Sequence[int] | np.ndarray) -> "EncodedCorpus":
        """Returns a view of some rows, in the given order. `cut` stays that of the whole corpus.

        Args:
            rows: row numbers, or one boolean for each row.
        """
        rows = np.asarray(rows)
        if rows.dtype != bool:
            rows = rows.astype(np.int64)
        return EncodedCorpus(
            self._ids,
            self._starts[rows],
            self.lengths[rows],
            None if self.labels is None else self.labels[rows],
            self.label_names,
            self.cut,
            self.max_tokens,
            self.fingerprint,
        )

    @classmethod
    def build(
        cls,
        texts: Iterable[Example | str | bytes],
        tokenizer: Encoder,
        *,
        labels: Sequence[str] | None = None,
        max_tokens: int | None = None,
        folder: str | Path | None = None,
        fingerprint: str = "",
        chunk_size: int = 4096,
        progress: Callable[[int], None] | None = None,
    ) -> "EncodedCorpus":
        """Encodes texts, a chunk at a time.

        Args:
            texts: examples, or plain strings, or their UTF-8 bytes.
            tokenizer: has `encode(list of strings)` and `end_id`.
            labels: the names of the classes, in the order of their numbers; the texts must then be
                examples, all with one label or all with a tuple of labels. Default: the corpus has
                no labels.
            max_tokens: longer rows are cut to so many ids, the last still the end mark, and counted
                in `cut`. Default: no row is cut.
            folder: where to write the corpus; it must not be there yet. Default: memory.
            fingerprint: anything that says what the corpus was made from; `open` can ask for it.
            chunk_size: texts handed to the tokenizer at a time. Default: 4096.
            progress: called with the number of rows done, after each chunk.

        Raises:
            InputError: if there is no text, if a label is not among `labels`, if some rows have one
                label and others a tuple, if `max_tokens` is below 1, or if the folder is there
                already.
        """
        if max_tokens is not None and max_tokens < 1:
            raise InputError(f"max_tokens is {max_tokens}; give 1 or more, or none for no limit")
        chunks = _encoded_chunks(texts, tokenizer, labels, max_tokens, chunk_size, progress)
        if folder is None:
            ids: list[np.ndarray] = []
            lengths, numbers, cut = _collect(chunks, ids.append)
            starts = np.cumsum(lengths, dtype=np.int64) - lengths
            return cls(
                np.concatenate(ids),
                starts,
                lengths,
                numbers,
                labels or (),
                cut,
                max_tokens,
                fingerprint,
            )

        folder = Path(folder)
        if folder.exists():
            raise InputError(
                f"{folder}: is there already; open it with EncodedCorpus.open, or remove it"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        # Nobody sees the folder under its name until every byte of it is on the disk.
        partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(folder), dir=folder.parent))
        try:
            with open(partial / "ids.bin", "wb") as file:
                collected = _collect(chunks, lambda part: file.write(part.astype(_IDS).tobytes()))
                _to_disk(file)
            _write_rest(partial, *collected, labels, max_tokens, fingerprint)
            # Temporary folders are private; a corpus is an ordinary folder.
            partial.chmod(0o777 & ~_umask())
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path, *, fingerprint: str | None = None) -> "EncodedCorpus":
        """Opens a corpus on disk.

        Args:
            folder: what was given to `build`.
            fingerprint: what the corpus must have been made from. Default: anything.

        Raises:
            InputError: if the folder holds no whole corpus, or one of another fingerprint.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
            if about["format"] != _FORMAT:
                raise InputError(
                    f"{folder}: is a corpus of format {about['format']}, this version reads "
                    f"{_FORMAT}; remove it and build it again"
                )
            offsets = np.load(folder / "offsets.npy", mmap_mode="r", allow_pickle=False)
            labels = None
            if about["labels"] is not None:
                labels = np.load(folder / "labels.npy", allow_pickle=False)
            ids = np.asarray(np.memmap(folder / "ids.bin", _IDS, mode="r"))
            rows = about["rows"]
            whole = len(offsets) == rows + 1 and len(ids) == about["tokens"] == offsets[-1]
            if labels is not None:
                whole &= labels.shape in ((rows,), (rows, len(about["labels"])))
            if not whole:
                raise ValueError("its files do not fit each other")
        except InputError:
            raise
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{folder}: is no encoded corpus ({reason}); give the folder of a corpus, or build "
                "it again"
            ) from error
        if fingerprint is not None and fingerprint != about["fingerprint"]:
            raise InputError(
                f"{folder}: was made from {about['fingerprint']!r}, not from {fingerprint!r}; "
                "remove it and build it again, or give another folder"
            )
        lengths = np.diff(offsets).astype(np.int32)
        starts = np.asarray(offsets[:-1])
        return cls(
            ids,
            starts,
            lengths,
            labels,
            about["labels"] or (),
            about["cut"],
            about["max_tokens"],
            about["fingerprint"],
        )


def _encoded_chunks(
    texts: Iterable[Example | str | bytes],
    tokenizer: Encoder,
    labels: Sequence[str] | None,
    max_tokens: int | None,
    chunk_size: int,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None, int]]:
    """Yields ids, lengths, labels and number of cut rows of each chunk."""
    read_labels = None if labels is None else _LabelReader(labels)
    texts = iter(texts)
    done = 0
    while chunk := list(islice(texts, chunk_size)):
        chunk_labels = None if read_labels is None else read_labels(chunk)
        rows = tokenizer.encode([row.text if isinstance(row, Example) else row for row in chunk])
        if not all(len(row) and row[-1] == tokenizer.end_id for row in rows):
            raise ValueError(
                f"tokenizer.encode gave a row that does not end with {tokenizer.end_id=}"
            )
        cut = 0
        if max_tokens is not None:
            for at, row in enumerate(rows):
                if len(row) > max_tokens:
                    rows[at] = np.append(row[: max_tokens - 1], np.int32(tokenizer.end_id))
                    cut += 1
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        yield np.concatenate(rows).astype(np.int32), lengths, chunk_labels, cut
        done += len(chunk)
        if progress is not None:
            progress(done)


class _LabelReader:
    """Turns the labels of examples into numbers, of all chunks in the same way.

    Args:
        names: the names of the classes, in the order of their numbers.
    """

    def __init__(self, names: Sequence[str]):
        self._numbers = {name: number for number, name in enumerate(names)}
        self._first: Example | None = None

    def __call__(self, rows: list[Example | str | bytes]) -> np.ndarray:
        """Returns int32 `[rows]`, or float32 `[rows, labels]` where labels are tuples."""
        found = [self._numbers_of(row) for row in rows]
        if not isinstance(self._first.label, tuple):
            return np.array(found, np.int32).reshape(len(rows))
        hot = np.zeros((len(rows), len(self._numbers)), np.float32)
        for row, numbers in zip(hot, found, strict=True):
            row[numbers] = 1
        return hot

    def _numbers_of(self, row: Example | str | bytes) -> list[int]:
        if not isinstance(row, Example):
            raise TypeError("a corpus with labels is built from examples, not from strings")
        self._first = self._first or row
        if isinstance(row.label, tuple) != isinstance(self._first.label, tuple):
            raise InputError(
                f"{row.where}: the label is {row.label!r} where that of {self._first.where} is "
                f"{self._first.label!r}; give every row one label, or every row a tuple of labels"
            )
        labels = row.label if isinstance(row.label, tuple) else (row.label,)
        if unknown := [label for label in labels if label not in self._numbers]:
            names = ", ".join(map(repr, list(self._numbers)[:12]))
            raise InputError(
                f"{row.where}: the label {unknown[0]!r} is none of the classes {names}"
                f"{', ...' if len(self._numbers) > 12 else ''}; "
                "mend the label, or train with rows of this class"
            )
        return [self._numbers[label] for label in labels]


def _collect(
    chunks: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None, int]],
    take_ids: Callable[[np.ndarray], object],
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Hands on the ids of each chunk; returns lengths and labels of all rows, and rows cut."""
    lengths, labels, cut = [], [], 0
    for ids, chunk_lengths, chunk_labels, chunk_cut in chunks:
        take_ids(ids)
        lengths.append(chunk_lengths)
        labels.append(chunk_labels)
        cut += chunk_cut
    if not lengths:
        raise InputError("there is no text to encode; give at least one")
    return np.concatenate(lengths), None if labels[0] is None else np.concatenate(labels), cut


def _write_rest(partial, lengths, numbers, cut, labels, max_tokens, fingerprint) -> None:
    arrays = {"offsets.npy": np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])}
    if numbers is not None:
        arrays["labels.npy"] = numbers
    for name, values in arrays.items():
        with open(partial / name, "wb") as file:
            np.save(file, values)
            _to_disk(file)
    about = {
        "format": _FORMAT,
        "rows": len(lengths),
        "tokens": int(arrays["offsets.npy"][-1]),
        "cut": cut,
        "max_tokens": max_tokens,
        "labels": None if labels is None else list(labels),
        "fingerprint": fingerprint,
    }
    with open(partial / "corpus.json", "w", encoding="utf-8") as file:
        json.dump(about, file, ensure_ascii=False, indent=2)
        _to_disk(file)


def _to_disk(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _partial_prefix(folder: Path) -> str:
    return f".{folder.name}.partial-"


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed writers of this folder left; one that is at work touched it lately."""
    for partial in folder.parent.glob(f"{_partial_prefix(folder)}*"):
        newest = max((p.stat().st_mtime for p in (partial, *partial.iterdir())), default=0)
        if time.time() - newest > 3600:
            shutil.rmtree(partial, ignore_errors=True)
