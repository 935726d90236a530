"""From what a user writes after `--data` to a source of running text."""

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

from textlstm.data.file_trees import ARCHIVE_ENDINGS, SingleFile, short_name
from textlstm.data.joined import JoinedTexts, LabelledTexts
from textlstm.data.reading import check_encoding, check_given_once
from textlstm.data.sources import open_source
from textlstm.data.table_files import TABLE_ENDINGS, Columns, TableFile, has_ending
from textlstm.data.text_files import TEXT_ENDINGS, UNITS, TextTable, text_file, text_tree
from textlstm.data.texts import Text, TextSource
from textlstm.data.tfds_texts import open_tfds_texts
from textlstm.errors import InputError

_ALL_ENDINGS = (*TABLE_ENDINGS, *ARCHIVE_ENDINGS, *TEXT_ENDINGS)


class PythonTopics(TextSource):
    """The help topics that every Python carries: the reference of the language, in English prose.

    They are what its `help("LAMBDAS")` shows, and are read where Python is installed. Each version
    of Python has others.
    """

    def __init__(self):
        version = platform.python_version()
        super().__init__("sample", f"the help topics of Python {version}", ("all",))

    def _read(self, part: str) -> Iterator[Text]:
        from pydoc_data.topics import topics

        for name in sorted(topics):
            yield Text(topics[name].strip() + "\n", f"help topic {name}")


def open_texts(
    data: str | Path | Sequence[str | Path],
    *,
    text_column: str | None = None,
    header: bool | None = None,
    unit: str = "file",
    files: Sequence[str] = (),
    encoding: str = "utf-8",
) -> TextSource:
    """Opens running text, to train a language model on.

    Args:
        data: "sample" (the help topics that every Python carries); "tfds:NAME/CONFIG", a set of
            TensorFlow Datasets; or the path of a text file, of a table (`.csv`, `.tsv`, `.jsonl`,
            each also `.gz`; each row a text), of a folder or archive of text files, or of a folder
            of archives. Files whose paths say so are of a part: `train/a.txt`, `valid.txt`,
            `wiki.test.tokens`. Of a folder or archive that holds tables and no text files it is the
            texts that `open_source` finds there. A list of these is one source.
        text_column: name of the column or feature, or the position of a column, counted from 0.
            Default: the first there is of text, review, sentence, content, text_a.
        header: for `.csv` and `.tsv`: whether the first row names the columns. Default: it does,
            unless the column is given by position.
        unit: what of a text file is a text: the whole "file" (default), each "paragraph" (parted by
            blank lines) or each "line".
        files: patterns of the paths of the files to take of a folder or archive, such as
            "*/pos/*". Default: all that end as text files do, but README, LICENSE, CHANGELOG and
            NOTICE; hidden files only by a pattern that spells their name.
        encoding: of the files. Default: "utf-8"; a byte order mark is taken off.

    Raises:
        InputError: if there is no such file, or nothing in it that can be read.

    Example:
        >>> source = open_texts("poems.txt", unit="paragraph")
        >>> next(source.texts("all")).where
        'poems.txt:1'
    """
    check_encoding(encoding)
    if unit not in UNITS:
        raise InputError(f"a text is a {', '.join(UNITS)}; got {unit!r}")
    columns = Columns(text_column, header=header)
    if isinstance(data, str | Path):
        return _open(data, columns, unit, files, encoding)
    check_given_once(data)
    sources = [_open(one, columns, unit, files, encoding) for one in data]
    return sources[0] if len(sources) == 1 else JoinedTexts(sources)


def _open(
    data: str | Path, columns: Columns, unit: str, files: Sequence[str], encoding: str
) -> TextSource:
    if str(data) == "sample":
        return PythonTopics()
    if str(data).startswith("tfds:"):
        return open_tfds_texts(str(data), columns.text, encoding)
    path = Path(data).expanduser()
    if not path.exists():
        raise InputError(
            f"data {str(data)!r}: there is no such file or folder; what is taken: sample, "
            "tfds:NAME/CONFIG, or the path of a text file, a table "
            f"({', '.join(TABLE_ENDINGS)}), a folder or an archive"
        )
    name = short_name(path, _ALL_ENDINGS)
    if path.is_dir() or has_ending(path.name, ARCHIVE_ENDINGS):
        source = text_tree(path, name, files, unit, encoding)
        if source is None:  # tables
            options = {"text_column": columns.text, "header": columns.header}
            return LabelledTexts(open_source(path, encoding=encoding, **options))
        return source
    if has_ending(path.name, TABLE_ENDINGS):
        table = TableFile(SingleFile(path), (), encoding)
        return TextTable(name, table, columns)
    return text_file(path, name, unit, encoding)
