"""From what a user writes after `--data` to a source of examples.

A new kind of data is one line in `_NAMED` or `_ENDINGS` and a file with its reader.
"""

import re
from collections.abc import Callable
from pathlib import Path

from textlstm.data.class_folders import open_tree
from textlstm.data.examples import Source
from textlstm.data.file_trees import ARCHIVE_ENDINGS
from textlstm.data.reading import check_encoding
from textlstm.data.sample import SampleSource
from textlstm.data.table_files import TABLE_ENDINGS, Columns, has_ending, single_table
from textlstm.errors import InputError

# (path, name, columns, encoding) -> Source
Reader = Callable[[Path, str, Columns, str], Source]

_NAMED: dict[str, Callable[[], Source]] = {"sample": SampleSource}
_ENDINGS: dict[tuple[str, ...], Reader] = {
    TABLE_ENDINGS: single_table,
    ARCHIVE_ENDINGS: open_tree,
}


def open_source(
    data: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "utf-8",
) -> Source:
    """Opens labelled texts.

    Args:
        data: "sample" (the embedded reviews), or the path of a table (`.csv`, `.tsv`, `.jsonl`,
            each also `.gz`), of a folder or archive (`.tar.gz`, `.tgz`, `.tar.xz`, `.zip`) of class
            folders or tables, or of a folder that holds such archives.
        text_column: for tables: name of the text column, or its position, counted from 0, in a
            file without a header. Default: the first there is of text, review, sentence, content.
        label_column: likewise for the label. Default: label, sentiment, class, category.
        encoding: of the text files. Default: "utf-8"; a byte order mark is taken off.

    Returns:
        The source. Nothing but headers and lists of file names has been read.

    Raises:
        InputError: if there is no such file, or nothing in it that can be read.

    Example:
    >>> source = open_source("reviews.csv")
    >>> next(source.examples("all"))
    Example(text='Clean and quiet.', label='positive', where='reviews.csv:2')
    """
    check_encoding(encoding)
    if str(data) in _NAMED:
        return _NAMED[str(data)]()
    path = Path(data).expanduser()
    endings = [ending for group in _ENDINGS for ending in group]
    taken = (
        f"what is taken: {', '.join(_NAMED)}, or the path of a folder or of a file that ends with "
        f"{', '.join(endings)}"
    )
    if not path.exists():
        raise InputError(f"data {str(data)!r}: there is no such file or folder; {taken}")
    columns = (text_column, label_column)
    if path.is_dir():
        return open_tree(path, _short_name(path), columns, encoding)
    for group, reader in _ENDINGS.items():
        if has_ending(path.name, group):
            return reader(path, _short_name(path), columns, encoding)
    raise InputError(f"data {str(data)!r}: the ending {path.suffix!r} is unknown; {taken}")


def _short_name(path: Path) -> str:
    """Returns the file's name without its ending, with what does not fit a folder's name as `-`."""
    name = path.resolve().name
    if path.is_file():
        for ending in sorted((e for group in _ENDINGS for e in group), key=len, reverse=True):
            if name.lower().endswith(ending):
                name = name[: -len(ending)]
                break
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
