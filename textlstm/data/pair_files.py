"""Translations in files: two aligned files, a table, a folder of aligned files for each part.

Aligned files hold the same number of lines, line n of one the translation of line n of the other.
In a table without a header the first two columns are the texts, unless others are named.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from textlstm.data.examples import PART_NAMES, standard_part
from textlstm.data.file_trees import (
    ARCHIVE_ENDINGS,
    SingleFile,
    given_name,
    is_hidden,
    open_archive,
)
from textlstm.data.pairs import Pair, PairSource
from textlstm.data.reading import lines, readable
from textlstm.data.table_files import TABLE_ENDINGS, Columns, TableFile, has_ending
from textlstm.errors import InputError

PAIR_TABLE_ENDINGS = (*TABLE_ENDINGS, ".txt", ".txt.gz")
_BY_POSITION = Columns("0", "1")


class AlignedSource(PairSource):
    """A source of two aligned files, or of two for each part.

    Args:
        name: see `PairSource`.
        description: see `PairSource`.
        files: for each part the source file and the target file.
        encoding: of the files.
    """

    def __init__(
        self,
        name: str,
        description: str,
        files: dict[str, tuple[Path, Path]],
        encoding: str,
    ):
        super().__init__(name, description, tuple(files))
        self._files = files
        self._encoding = encoding

    def _read(self, part: str) -> Iterator[Pair]:
        names = [path.name for path in self._files[part]]
        sides = [self._lines(path) for path in self._files[part]]
        number = 0
        with closing(sides[0]), closing(sides[1]):
            for number, (source, target) in enumerate(zip_longest(*sides), start=1):
                if source is None or target is None:
                    longer = sides[source is None]
                    counts = [number - 1, number + sum(1 for _ in longer)]
                    counts = counts if source is None else counts[::-1]
                    raise InputError(
                        f"{names[0]} has {counts[0]:,} lines and {names[1]} {counts[1]:,}; aligned "
                        "files have as many, line n of one the translation of line n of the other"
                    )
                yield Pair(source, target, f"{names[0]}:{number}")

    def _lines(self, path: Path) -> Iterator[str]:
        for stream in SingleFile(path).file(()):
            with closing(lines(stream, self._encoding, path.name)) as text_lines:
                for line in text_lines:
                    yield line.removesuffix("\n").removesuffix("\r")


class PairTable(PairSource):
    """A source of one table with a column for each language.

    Args:
        name: see `PairSource`.
        table: the file.
        columns: where the texts stand, the translation in the place of the label.

    Raises:
        InputError: if the table cannot be read as far as its first row, or lacks a column.
    """

    has_columns = True

    def __init__(self, name: str, table: TableFile, columns: Columns):
        super().__init__(name, f"the table {table.name}", ("all",))
        self._table = table
        self._columns = columns
        with closing(table.pairs(columns)) as rows:  # a wrong column shows at once
            next(rows, None)

    def _read(self, part: str) -> Iterator[Pair]:
        for where, source, target in self._table.pairs(self._columns):
            yield Pair(source, target, where)


def aligned_files(paths: Sequence[Path], name: str, encoding: str) -> AlignedSource:
    """Returns the source of two aligned files."""
    description = f"the aligned files {' and '.join(path.name for path in paths)}"
    return AlignedSource(name, description, {"all": tuple(paths)}, encoding)


def aligned_folder(
    folder: Path, name: str, languages: tuple[str, str], encoding: str
) -> AlignedSource:
    """Returns the source of a folder with `PART.LANGUAGE` files, each perhaps with `.gz`.

    Args:
        folder: the folder; its subfolders are not looked at, nor are hidden files.
        name: of the source.
        languages: the endings of the files of both sides.
        encoding: of the files.

    Raises:
        InputError: if there is no such pair of files, no part to train on, a part under two names,
            such as dev and val, or a file both plain and compressed.
    """
    by_language: dict[str, dict[str, Path]] = {language: {} for language in languages}
    with readable(str(folder)):
        for path in sorted(folder.iterdir()):
            stem, _, language = path.name.removesuffix(".gz").rpartition(".")
            is_data = path.is_file() and not is_hidden((path.name,))
            if is_data and stem and language in by_language:
                if stem in by_language[language]:
                    raise twice_there(by_language[language][stem], path)
                by_language[language][stem] = path
    source, target = (by_language[language] for language in languages)
    stems = [stem for stem in source if stem in target]
    if not stems:
        raise InputError(
            f"{folder}: holds no two files of one name that end with .{languages[0]} and "
            f".{languages[1]}, such as train.{languages[0]} and train.{languages[1]}"
        )
    parts = named_parts(stems, str(folder), "take the files of one of them away")
    if len(parts) == 1:
        parts = {"all": stems[0]}
    elif "train" not in parts:
        raise InputError(
            f"{folder}: has no files called train.{languages[0]} and train.{languages[1]} to train "
            f"on; the pairs there are called {', '.join(stems)}"
        )
    files = {part: (source[stem], target[stem]) for part, stem in parts.items()}
    return AlignedSource(name, f"aligned files in {given_name(folder)}", files, encoding)


def twice_there(plain: Path, packed: Path) -> InputError:
    """Returns the error for a file that is there both plain and compressed."""
    return InputError(
        f"{plain.parent}: holds both {plain.name} and {packed.name}; take one of them away"
    )


def named_parts(names: Sequence[str], place: str, advice: str) -> dict[str, str]:
    """Returns which of `names` is that of each part; the training part comes first.

    Args:
        names: those of the data; one that means no usual part is a part of its own.
        place: where they stand, for the error.
        advice: what to do about two names of one part.

    Raises:
        InputError: if two names mean the same part.
    """
    parts: dict[str, str] = {}
    for name in names:
        part = standard_part(name) or name
        if part in parts:
            raise InputError(
                f"{place}: both {parts[part]!r} and {name!r} could be the {part} part; {advice}"
            )
        parts[part] = name
    order = (*PART_NAMES, *parts)
    return {part: parts[part] for part in sorted(parts, key=order.index)}


def pair_table(path: Path, name: str, columns: Columns, encoding: str) -> PairTable:
    """Returns the source of the one table at `path`, or of the one table in an archive there.

    Raises:
        InputError: if an archive holds no table, or several.
    """
    tree, inside = SingleFile(path), ()
    if has_ending(path.name, ARCHIVE_ENDINGS):
        tree = open_archive(path)
        tables = [
            p
            for p in tree.paths()
            if has_ending(p[-1], PAIR_TABLE_ENDINGS) and not (is_hidden(p) or p[-1].startswith("_"))
        ]
        if len(tables) != 1:
            found = ", ".join("/".join(p) for p in tables[:5]) or "none"
            raise InputError(
                f"{path}: holds not one table of pairs ({found}); unpack it, and give the file"
            )
        inside = tables[0]
    by_name = has_ending((inside or (path.name,))[-1], (".jsonl", ".jsonl.gz")) or columns.header
    if columns.text is None and columns.label is None and not by_name:
        columns = _BY_POSITION
    return PairTable(name, TableFile(tree, inside, encoding), columns)
