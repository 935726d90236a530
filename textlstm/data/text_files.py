"""Running text in files: one or several, a folder or archive of them, or a column of a table.

A file is one text, or each of its paragraphs or lines is. Paragraphs are parted by blank lines,
which belong to none.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from textlstm.data.examples import PART_NAMES, standard_part
from textlstm.data.file_trees import (
    ARCHIVE_ENDINGS,
    FileTree,
    Parts,
    SingleFile,
    open_archive,
    open_tree_of_files,
)
from textlstm.data.reading import lines, readable
from textlstm.data.table_files import TABLE_ENDINGS, Columns, TableFile, has_ending
from textlstm.data.texts import Text, TextSource
from textlstm.errors import InputError

TEXT_ENDINGS = (".txt", ".text", ".md", ".rst", ".tokens", ".txt.gz")
UNITS = ("file", "paragraph", "line")


class TextFiles(TextSource):
    """A source of text files.

    Args:
        name: see `TextSource`.
        description: see `TextSource`.
        files: for each part the tree and path of each file.
        unit: what a text is: "file", "paragraph" or "line".
        encoding: name of the files' encoding.
        notes: see `TextSource`.
    """

    def __init__(
        self,
        name: str,
        description: str,
        files: dict[str, list[tuple[FileTree, Parts]]],
        unit: str,
        encoding: str,
        notes: tuple[str, ...] = (),
    ):
        super().__init__(name, description, tuple(files), notes)
        self._files = files
        self._cut = {"file": _whole, "paragraph": _paragraphs, "line": _lines}[unit]
        self._encoding = encoding

    def _read(self, part: str) -> Iterator[Text]:
        by_tree: dict[FileTree, set[Parts]] = {}
        for tree, path in self._files[part]:
            by_tree.setdefault(tree, set()).add(path)
        for tree, wanted in by_tree.items():  # an archive is read once, not once a file
            with closing(tree.chosen(wanted)) as found:
                for path, stream in found:
                    where = tree.where(path)
                    with readable(where), closing(lines(stream, self._encoding, where)) as rows:
                        yield from self._cut((_plain_end(row) for row in rows), where)


class TextTable(TextSource):
    """A source of one column of a table, or of one table for each part: each row is a text.

    Args:
        name: see `TextSource`.
        table: the file.
        columns: where the text stands.

    Raises:
        InputError: if the table cannot be read as far as its first row, or lacks the column.
    """

    def __init__(self, name: str, table: TableFile, columns: Columns):
        super().__init__(name, f"the table {table.name}", ("all",))
        self._table = table
        self._columns = columns
        with closing(table.texts(columns)) as rows:  # a wrong column shows at once
            next(rows, None)

    def _read(self, part: str) -> Iterator[Text]:
        for where, text in self._table.texts(self._columns):
            yield Text(text, where)


def text_file(path: Path, name: str, unit: str, encoding: str) -> TextFiles:
    """Returns the source of a single file."""
    files = {"all": [(SingleFile(path), ())]}
    return TextFiles(name, _describe(1, name, unit), files, unit, encoding)


def text_tree(
    path: Path, name: str, patterns: Sequence[str], unit: str, encoding: str
) -> TextFiles | None:
    """Returns the source of a folder or archive; of a folder of archives, of what is in these.

    A file is of the part that its path names: `train/a.txt`, `valid.txt`, `wiki.test.tokens`. Where
    no path names the part to train on, all are of one part.

    Args:
        path: of the folder or archive.
        name: of the source.
        patterns: of the paths of files to take, such as "*/pos/*"; none for all text files.
        unit: what a text is.
        encoding: name of the files' encoding.

    Returns:
        The source; `None` if, where all text files are asked for, there are tables in their place.

    Raises:
        InputError: if there is no such file.
    """
    held = _paths([open_tree_of_files(path)])
    found = _chosen(held, patterns)
    if not (found or patterns) and any(has_ending(p[-1], TABLE_ENDINGS) for _, p in held):
        return None
    if not found and path.is_dir():
        archives = sorted(p for p in path.iterdir() if has_ending(p.name, ARCHIVE_ENDINGS))
        found = _chosen(_paths([open_archive(archive) for archive in archives]), patterns)
    if not found:
        wanted = " or ".join(patterns) if patterns else f"ending with {', '.join(TEXT_ENDINGS)}"
        raise InputError(f"{path}: holds no files {wanted}; say which with --files PATTERN")
    parts = _by_part(found)
    return TextFiles(name, _describe(len(found), name, unit), parts, unit, encoding)


def _paths(trees: Sequence[FileTree]) -> list[tuple[FileTree, Parts]]:
    return [(tree, path) for tree in trees for path in tree.paths()]


def _chosen(
    held: Sequence[tuple[FileTree, Parts]], patterns: Sequence[str]
) -> list[tuple[FileTree, Parts]]:
    return [
        (tree, path)
        for tree, path in held
        if (
            any(fnmatchcase("/".join(path), pattern) for pattern in patterns)
            if patterns
            else has_ending(path[-1], TEXT_ENDINGS)
        )
    ]


def _by_part(found: list[tuple[FileTree, Parts]]) -> dict[str, list[tuple[FileTree, Parts]]]:
    by_part: dict[str, list] = {}
    for tree, path in found:
        by_part.setdefault(_part_named(path), []).append((tree, path))
    if "train" not in by_part:
        return {"all": found}
    # What names no part is trained on, too.
    by_part["train"] += by_part.pop("", [])
    return {part: by_part[part] for part in PART_NAMES if part in by_part}


def _part_named(path: Parts) -> str:
    """Returns the part that a folder or a dotted piece of the file's name is called by, or ""."""
    names = (*path[:-1], *path[-1].split("."))
    return next((part for part in map(standard_part, names) if part), "")


def _describe(count: int, name: str, unit: str) -> str:
    files = f"the text file {name}" if count == 1 else f"{count:,} text files of {name}"
    return files if unit == "file" else f"the {unit}s of {files}"


def _plain_end(row: str) -> str:
    """Returns a line with a line end of any kind as a line feed."""
    return f"{row[:-2]}\n" if row.endswith("\r\n") else row


def _whole(rows: Iterator[str], where: str) -> Iterator[Text]:
    yield Text("".join(rows), where)


def _lines(rows: Iterator[str], where: str) -> Iterator[Text]:
    for number, row in enumerate(rows, start=1):
        if row.strip():  # blank lines part what there is
            yield Text(row.removesuffix("\n"), f"{where}:{number}")


def _paragraphs(rows: Iterator[str], where: str) -> Iterator[Text]:
    held: list[str] = []
    begins = 1
    for number, row in enumerate(rows, start=1):
        if row.strip():
            begins = begins if held else number
            held.append(row)
        elif held:
            yield Text("".join(held).removesuffix("\n"), f"{where}:{begins}")
            held = []
    if held:
        yield Text("".join(held).removesuffix("\n"), f"{where}:{begins}")
