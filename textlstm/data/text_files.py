"""Running text in files: one or several, a folder or archive of them, or a column of a table.

A file is one text, or each of its paragraphs or lines is. Paragraphs are parted by blank lines,
which belong to none.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

from textlstm.data.examples import PART_NAMES, standard_part
from textlstm.data.file_trees import (
    FileTree,
    Parts,
    SingleFile,
    archives_in,
    is_hidden,
    open_tree_of_files,
)
from textlstm.data.reading import lines, readable
from textlstm.data.table_files import TABLE_ENDINGS, Columns, TableFile, has_ending
from textlstm.data.texts import Text, TextSource
from textlstm.errors import InputError

TEXT_ENDINGS = (".txt", ".text", ".md", ".rst", ".tokens", ".txt.gz")
UNITS = ("file", "paragraph", "line")

# What the first dotted piece of a file's name is, in lower case, where it tells about the data.
_ABOUT_DATA = ("readme", "license", "changelog", "notice")
# "-00" of train-00.txt, and "-00000-of-00002" of train-00000-of-00002.txt.
_FILE_NUMBER = re.compile(r"[-_]?\d+([-_]of[-_]\d+)?$")

Found = list[tuple[FileTree, Parts]]


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
        files: dict[str, Found],
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

    has_columns = True

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

    A file is of the part that its path names: `train/a.txt`, `train-00.txt`, `valid.txt`,
    `wiki.test.tokens`. Where no path names the part to train on, all are of one part.

    Args:
        path: of the folder or archive.
        name: of the source.
        patterns: of the paths of files to take, such as "*/pos/*"; none for all text files but
            README, LICENSE, CHANGELOG and NOTICE, which are taken where there is nothing else.
            Hidden files and `__MACOSX` are taken only by a pattern that spells their name, such as
            ".drafts/*".
        unit: what a text is.
        encoding: name of the files' encoding.

    Returns:
        The source; `None` if, where all text files are asked for, there are tables in their place.
        Its notes name files that were left out, or are trained on though they may be held out.

    Raises:
        InputError: if there is no such file.
    """
    held = _paths([open_tree_of_files(path)])
    found = _chosen(held, patterns)
    if not found and path.is_dir() and (patterns or not _has_table(held)):
        held += _paths(archives_in(path))
        found = _chosen(held, patterns)
    if not (found or patterns) and _has_table(held):
        return None
    left_out = [] if patterns else [(t, p) for t, p in _texts(held) if _tells_about_data(p)]
    if not found:
        found, left_out = left_out, []
    if not found:
        wanted = " or ".join(patterns) if patterns else f"ending with {', '.join(TEXT_ENDINGS)}"
        raise InputError(f"{path}: holds no files {wanted}; say which with --files PATTERN")
    parts = _by_part(found)
    notes = (*_notes_on_left_out(left_out), *_notes_on_parts(parts))
    return TextFiles(name, _describe(len(found), name, unit), parts, unit, encoding, notes)


def _paths(trees: Sequence[FileTree]) -> Found:
    return [(tree, path) for tree in trees for path in tree.paths()]


def _chosen(held: Found, patterns: Sequence[str]) -> Found:
    if patterns:
        return [(t, path) for t, path in held if any(_matches(path, p) for p in patterns)]
    return [(t, path) for t, path in _texts(held) if not _tells_about_data(path)]


def _matches(path: Parts, pattern: str) -> bool:
    """Whether `pattern` takes a file; as in a shell, `*` takes nothing that is hidden."""
    spells_hidden = is_hidden(tuple(pattern.split("/")))
    return fnmatchcase("/".join(path), pattern) and (spells_hidden or not is_hidden(path))


def _texts(held: Found) -> Found:
    return [(t, p) for t, p in held if has_ending(p[-1], TEXT_ENDINGS) and not is_hidden(p)]


def _tells_about_data(path: Parts) -> bool:
    return path[-1].split(".")[0].lower() in _ABOUT_DATA


def _has_table(held: Found) -> bool:
    return any(has_ending(path[-1], TABLE_ENDINGS) and not is_hidden(path) for _, path in held)


def _by_part(found: Found) -> dict[str, Found]:
    by_part: dict[str, Found] = {}
    for tree, path in found:
        by_part.setdefault(_part_named(path), []).append((tree, path))
    if "train" not in by_part:
        return {"all": found}
    # What names no part is trained on, too.
    by_part["train"] += by_part.pop("", [])
    return {part: by_part[part] for part in PART_NAMES if part in by_part}


def _part_named(path: Parts) -> str:
    """Returns the part that a folder or a dotted piece of the file's name is called by, or "".

    The number of a file of several, as in `train-00.txt`, does not count.
    """
    names = (_FILE_NUMBER.sub("", name) for name in (*path[:-1], *path[-1].split(".")))
    return next((part for part in map(standard_part, names) if part), "")


def _notes_on_left_out(files: Found) -> list[str]:
    if not files:
        return []
    count, them = ("1 file", "it") if len(files) == 1 else (f"{len(files):,} files", "them")
    return [f"left out {count} about the data: {_some(files)}; --files takes {them}"]


def _notes_on_parts(parts: dict[str, Found]) -> list[str]:
    """Returns a note on files that are trained on though their paths speak of another part."""
    training = next(iter(parts.values()))
    doubtful = [(tree, path) for tree, path in training if _may_be_held_out(path)]
    if not doubtful:
        return []
    return [
        f"trains also on {_some(doubtful)}; to hold them out, call files train.txt and test.txt, "
        "or NAME.train.txt and NAME.test.txt"
    ]


def _may_be_held_out(path: Parts) -> bool:
    """Whether the path of a file that is not of the training part speaks of another one."""
    words = re.split(r"[\W\d_]+", "/".join(path))
    named = {standard_part(word) for word in words}
    return _part_named(path) != "train" and not named.isdisjoint({"validation", "test"})


def _some(files: Found) -> str:
    shown = ", ".join(tree.where(path) for tree, path in files[:3])
    return shown + (f" and {len(files) - 3:,} more" if len(files) > 3 else "")


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
