"""From what a user writes after `--data` to a source of pairs."""

from collections.abc import Sequence
from pathlib import Path

from textlstm.data.file_trees import ARCHIVE_ENDINGS, short_name
from textlstm.data.pair_files import (
    PAIR_TABLE_ENDINGS,
    aligned_files,
    aligned_folder,
    pair_table,
    twice_there,
)
from textlstm.data.pairs import PairSource
from textlstm.data.phrase_book import PhraseBookSource
from textlstm.data.reading import check_encoding
from textlstm.data.table_files import Columns, has_ending
from textlstm.data.tfds_pairs import open_tfds_pairs
from textlstm.errors import InputError

_TABLES = (*PAIR_TABLE_ENDINGS, *ARCHIVE_ENDINGS)


def open_pairs(
    data: str | Path | Sequence[str | Path],
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
) -> PairSource:
    """Opens texts with their translations.

    Args:
        data: "sample" (the embedded phrase book, from English to Chinese); "tfds:NAME/CONFIG", a
            set of TensorFlow Datasets; two paths, those of aligned files; the path of a table
            (`.tsv`, `.txt` with tabs, `.csv`, `.jsonl`, each also `.gz`) or of an archive with one
            table; a folder with aligned files `train.LANGUAGE`, perhaps `validation.LANGUAGE`,
            `test.LANGUAGE` and others; or
            NAME, where there are `NAME.LANGUAGE` files.
        source_language: the ending of the files, or the name of the column or feature, of the
            texts to translate; needed for folders and NAME.
        target_language: likewise for the translations.
        text_column: name of the column of the texts to translate, or its position, counted from
            0. Default: the source language, where columns have names; else the first.
        label_column: likewise for the translations; else the second.
        header: for `.csv`, `.tsv` and `.txt`: whether the first row names the columns. Default: it
            does if columns are given by name, or both languages stand in it; else it does not.
        encoding: of the files. Default: "utf-8"; a byte order mark is taken off.

    Raises:
        InputError: if there is no such file, or nothing in it that can be read.

    Example:
        >>> source = open_pairs("phrases.tsv")
        >>> next(source.pairs("all"))
        Pair(source='Good morning!', target='早上好！', where='phrases.tsv:1')
    """
    check_encoding(encoding)
    languages = source_language, target_language
    if not isinstance(data, str | Path):
        if len(data) == 2:
            return _open_two(data, encoding)
        if len(data) != 1:
            raise InputError(
                f"data: {len(data)} paths were given; give one, or the two of aligned files"
            )
        (data,) = data
    if str(data) == "sample":
        if languages not in ((None, None), ("en", "zh")):
            raise InputError(
                "data 'sample': the phrase book is from en to zh; leave out the languages"
            )
        return PhraseBookSource()
    if str(data).startswith("tfds:"):
        columns = text_column or source_language, label_column or target_language
        return open_tfds_pairs(str(data), *columns, encoding)
    path = Path(data).expanduser()
    if path.is_file() and has_ending(path.name, _TABLES):
        name = short_name(path, _TABLES)
        if text_column is None and label_column is None and None not in languages:
            by_name = Columns(*languages, header)
            is_named = header or has_ending(path.name, (".jsonl", ".jsonl.gz"))
            if is_named or (header is None and _has_columns(path, by_name, encoding)):
                return pair_table(path, name, by_name, encoding)
        columns = Columns(text_column, label_column, header)
        return pair_table(path, name, columns, encoding)
    if path.is_dir():
        return aligned_folder(path, short_name(path), _both(languages, path), encoding)
    if path.exists():
        raise InputError(
            f"data {str(data)!r}: is one file of lines; give the aligned file too, or a table "
            f"({', '.join(_TABLES)})"
        )
    if None not in languages:
        files = [_with_language(path, language) for language in languages]
        if None not in files:
            return aligned_files(files, short_name(path), encoding)
    raise InputError(
        f"data {str(data)!r}: there is no such file or folder, nor files of that name that end "
        "with a language (--source-language, --target-language)"
    )


def _has_columns(path: Path, columns: Columns, encoding: str) -> bool:
    """Says whether the first row of a table names such columns."""
    try:
        pair_table(path, path.name, columns, encoding)
    except InputError:  # read by position it is told what else is the matter
        return False
    return True


def _open_two(data: Sequence[str | Path], encoding: str) -> PairSource:
    paths = [Path(one).expanduser() for one in data]
    for path in paths:
        if not path.is_file():
            raise InputError(f"data {str(path)!r}: there is no such file")
        if has_ending(path.name, _TABLES) and not has_ending(path.name, (".txt", ".txt.gz")):
            raise InputError(
                f"data {str(path)!r}: is a table; two paths are those of aligned files of lines"
            )
    if paths[0].resolve() == paths[1].resolve():
        raise InputError(f"data {str(data[0])!r}: is given twice; give the file of each side")
    return aligned_files(paths, short_name(paths[0].with_suffix("")), encoding)


def _both(languages: tuple[str | None, str | None], path: Path) -> tuple[str, str]:
    if None in languages:
        raise InputError(
            f"data {str(path)!r}: is a folder; say with --source-language and --target-language "
            "what its files end with, such as en and zh for train.en and train.zh"
        )
    return languages


def _with_language(path: Path, language: str) -> Path | None:
    plain, packed = (path.with_name(f"{path.name}.{language}{ending}") for ending in ("", ".gz"))
    if plain.is_file() and packed.is_file():
        raise twice_there(plain, packed)
    return next((file for file in (plain, packed) if file.is_file()), None)
