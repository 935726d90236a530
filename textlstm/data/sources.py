"""From what a user writes after `--data` to a source of examples.

A new kind of data is one line in `_NAMED`, `_PREFIXES` or `_ENDINGS` and a file with its reader.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from textlstm.data.class_folders import open_tree
from textlstm.data.examples import Source
from textlstm.data.file_trees import ARCHIVE_ENDINGS, short_name
from textlstm.data.joined import JoinedSource
from textlstm.data.reading import check_encoding, check_given_once
from textlstm.data.sample import LANGUAGES, SampleSource
from textlstm.data.table_files import TABLE_ENDINGS, Columns, has_ending, single_table
from textlstm.data.tfds_sets import open_tfds
from textlstm.errors import InputError

# (path, name, columns, encoding) -> Source
Reader = Callable[[Path, str, Columns, str], Source]

_NAMED: dict[str, Callable[[], Source]] = {
    "sample": SampleSource,
    **{f"sample-{name}": partial(SampleSource, languages=(name,)) for name in LANGUAGES},
}
# (data, columns, encoding) -> Source
_PREFIXES: dict[str, Callable[[str, Columns, str], Source]] = {"tfds:": open_tfds}
_ENDINGS: dict[tuple[str, ...], Reader] = {
    TABLE_ENDINGS: single_table,
    ARCHIVE_ENDINGS: open_tree,
}
_ALL_ENDINGS = tuple(ending for group in _ENDINGS for ending in group)


def open_source(
    data: str | Path | Sequence[str | Path],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    header: bool | None = None,
    label_separator: str | None = None,
    label_names: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Source:
    """Opens labelled texts.

    Args:
        data: "sample" (the embedded reviews; those of one language are "sample-en" and
            "sample-zh"); "tfds:NAME/CONFIG", or "tfds:NAME/CONFIG:VERSION", a
            set of TensorFlow Datasets; or the path of a table (`.csv`, `.tsv`, `.jsonl`, each also
            `.gz`), of a folder or archive (`.tar.gz`, `.tgz`, `.tar.xz`, `.zip`) of class folders
            or tables, or of a folder that holds such archives. A list of these is one source; its
            examples say in `source` which of them they came from.
        text_column: name of the text column, or its position, counted from 0; for "tfds:" the name
            of a feature. Default: the first there is of text, review, sentence, content, text_a.
        label_column: likewise for the label. Default: label, sentiment, class, category.
        header: for `.csv` and `.tsv`: whether the first row names the columns. Default: it does,
            unless the columns are given as positions.
        label_separator: for `.csv` and `.tsv`: what stands between the labels of a row, as the `|`
            in "comedy|drama"; an empty field then means no label. Default: a row has one label.
            Lists of labels in `.jsonl` need none.
        label_names: other names for some labels, by the names they have in the data, such as
            `{"0": "negative", "1": "positive"}`; two that get the same name become one. Default:
            none.
        encoding: of the text files. Default: "utf-8"; a byte order mark is taken off.

    Returns:
        The source. Nothing but headers and lists of file names has been read; a set of TensorFlow
        Datasets that was not prepared yet has been.

    Raises:
        InputError: if there is no such file or set, or nothing in it that can be read.

    Example:
    >>> source = open_source("reviews.csv")
    >>> next(source.examples("all"))
    Example(text='Clean and quiet.', label='positive', where='reviews.csv:2', source='')
    """
    check_encoding(encoding)
    if label_separator == "":
        raise InputError("the label separator is empty; give a text such as | or leave it out")
    columns = Columns(text_column, label_column, header, label_separator)
    source = _open_all(data, columns, encoding)
    source.label_names = dict(label_names or {})
    return source


def _open_all(data, columns: Columns, encoding: str) -> Source:
    if isinstance(data, str | Path):
        return _open(data, columns, encoding)
    check_given_once(data)
    sources = [_open(one, columns, encoding) for one in data]
    return sources[0] if len(sources) == 1 else JoinedSource(sources)


def _open(data: str | Path, columns: Columns, encoding: str) -> Source:
    if str(data) in _NAMED:
        columns.refuse_table_flags(f"data {str(data)!r}: the embedded texts")
        return _NAMED[str(data)]()
    for prefix, reader in _PREFIXES.items():
        if str(data).startswith(prefix):
            return reader(str(data), columns, encoding)
    path = Path(data).expanduser()
    taken = (
        f"what is taken: {', '.join(_NAMED)}, tfds:NAME/CONFIG, or the path of a folder or of a "
        f"file that ends with {', '.join(_ALL_ENDINGS)}"
    )
    if not path.exists():
        raise InputError(f"data {str(data)!r}: there is no such file or folder; {taken}")
    if path.is_dir():
        return open_tree(path, short_name(path, _ALL_ENDINGS), columns, encoding)
    for group, reader in _ENDINGS.items():
        if has_ending(path.name, group):
            return reader(path, short_name(path, _ALL_ENDINGS), columns, encoding)
    raise InputError(f"data {str(data)!r}: the ending {path.suffix!r} is unknown; {taken}")
