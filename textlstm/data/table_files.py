r"""Tables of text and label: `.csv`, `.tsv` and `.jsonl`, each also as `.gz`.

- `.csv`: fields separated by commas, quoted with `"` where they hold commas, quotes or line ends,
  a quote inside written twice. A quote that is not closed, or that is followed by more text, is an
  error, for it would swallow the rows after it.
- `.tsv`: one row a line, fields separated by tabs, **nothing is quoted**: a `"` is a character of
  the text like any other. That is how such files are written in the wild (a headline that begins
  with a quotation is common, and would not survive a reader that takes quotes as markup).
- `.jsonl`: one object a line.

Columns are found by name in the header (or among the keys of the objects). Columns given as
positions, counted from 0, mean that there is no header: every line is data, unless it is said that
there is one. Lines that are wholly blank, or of spaces alone, are no rows. A row is named by the
line on which it begins, the first line being 1, as editors count.

A row may have several labels: in `.csv` and `.tsv` the label field is then cut at a separator that
the user names ("comedy|drama"; an empty field means no label), in `.jsonl` the label is a list.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from textlstm.data.examples import Example, Source
from textlstm.data.file_trees import FileTree, Parts, SingleFile
from textlstm.data.reading import lines
from textlstm.errors import InputError

TABLE_ENDINGS = tuple(kind + gz for kind in (".csv", ".tsv", ".jsonl") for gz in ("", ".gz"))
TEXT_COLUMNS = ("text", "review", "sentence", "content", "text_a")
LABEL_COLUMNS = ("label", "sentiment", "class", "category")

# Python's csv module refuses fields of more than 131,072 characters unless told otherwise. A field
# longer than this is a quote left open.
_LONGEST_FIELD = 2**24


@dataclass(frozen=True)
class Columns:
    """Where a table holds text and label, as far as the user says it.

    Attributes:
        text: name or position of the text column; `None` finds it by its usual names.
        label: likewise for the label.
        header: whether the first row names the columns; `None`: it does unless `text` and `label`
            are positions.
        label_separator: what stands between the labels of a row; `None`: a row has one label.
    """

    text: str | None = None
    label: str | None = None
    header: bool | None = None
    label_separator: str | None = None

    def refuse_table_flags(self, place: str, label_list: str = "") -> None:
        """Raises an `InputError` if something is said that only `.csv` and `.tsv` have.

        Args:
            place: what is read instead: "reviews.jsonl: JSON lines".
            label_list: how it gives a row several labels, if it can.
        """
        if self.header is not None:
            raise InputError(f"{place} have no header row; leave out --header and --no-header")
        if self.label_separator is not None:
            raise InputError(
                f"{place} have no label fields to cut at {self.label_separator!r}; leave out "
                f"--label-separator{label_list}"
            )


@dataclass(frozen=True)
class TableFile:
    """One table: where it lies and how it is read.

    Attributes:
        tree: what holds the file.
        path: its path in the tree.
        encoding: name of its encoding.
    """

    tree: FileTree
    path: Parts
    encoding: str

    @property
    def name(self) -> str:
        """The file's name for messages."""
        return self.tree.where(self.path)

    def examples(self, columns: Columns) -> Iterator[Example]:
        """Yields the rows.

        Args:
            columns: where text and label stand.

        Raises:
            InputError: for a row that cannot be read, with its file and line.
        """
        if self._is_json:
            for where, row, keys in self._objects(columns, choose_columns):
                text, label = _json_text(row, keys[0], where), _json_label(row, keys[1], where)
                yield Example(text, label, where)
        else:
            for where, text, label in self._rows(columns, choose_columns):
                yield _example(where, text, label, columns.label_separator)

    def pairs(self, columns: Columns) -> Iterator[tuple[str, str, str]]:
        """Yields the place of each row, and the texts of both columns, which may be empty.

        Args:
            columns: where both texts stand, the second in the place of the label.

        Raises:
            InputError: for a row that cannot be read, with its file and line.
        """
        yield from self._texts(columns, choose_columns)

    def texts(self, columns: Columns) -> Iterator[tuple[str, str]]:
        """Yields the place of each row, and its text, which may be empty.

        Args:
            columns: where the text stands; there need be no label.

        Raises:
            InputError: for a row that cannot be read, with its file and line.
        """
        yield from self._texts(columns, choose_text_column)

    def _texts(self, columns: Columns, choose: "_Chooser") -> Iterator[tuple[str, ...]]:
        if not self._is_json:
            yield from self._rows(columns, choose)
            return
        for where, row, keys in self._objects(columns, choose):
            yield where, *(_json_text(row, key, where) for key in keys)

    @property
    def _is_json(self) -> bool:
        return self.name.lower().removesuffix(".gz").endswith(".jsonl")

    def _lines(self) -> Iterator[str]:
        for stream in self.tree.file(self.path):
            # Closing runs the stream's own clean-up also when a caller stops half way.
            with closing(lines(stream, self.encoding, self.name)) as text_lines:
                yield from text_lines

    def _rows(self, columns: Columns, choose: "_Chooser") -> Iterator[tuple[str, ...]]:
        """Yields place and chosen fields of each row."""
        is_csv = self.name.lower().removesuffix(".gz").endswith(".csv")
        with closing(self._lines()) as text_lines:
            rows = (_csv_rows if is_csv else _tsv_rows)(text_lines, self.name)
            first = next(rows, None)
            if first is None:
                return
            number, fields = first
            where = f"{self.name}:{number}"
            by_position = _is_position(columns.text) or _is_position(columns.label)
            if columns.header is False and not by_position:
                raise InputError(
                    f"{where}: columns without a header are found by position; the first row has "
                    f"{_count(len(fields), 'column')}: {_shown(fields)}; give positions, such as "
                    "--text-column 0 --label-column 1, or leave out --no-header"
                )
            chosen = choose(fields, columns, where, True)
            width = len(fields)
            if by_position and not columns.header:
                yield where, *(fields[at] for at in chosen)
            for number, fields in rows:
                where = f"{self.name}:{number}"
                if len(fields) != width:
                    raise InputError(
                        f"{where}: has {_count(len(fields), 'column')} where the first row has "
                        f"{width}; mend the row (a text that holds the separator or a line end "
                        "must be quoted in .csv and cannot stand in .tsv)"
                    )
                yield where, *(fields[at] for at in chosen)

    def _objects(
        self, columns: Columns, choose: "_Chooser"
    ) -> Iterator[tuple[str, dict, tuple[str, ...]]]:
        """Yields place, object, and chosen keys, of each line."""
        columns.refuse_table_flags(
            f"{self.name}: JSON lines", ' and give lists: {"text": "...", "label": ["...", "..."]}'
        )
        keys: tuple[str, ...] | None = None
        with closing(self._lines()) as text_lines:
            for number, line in enumerate(text_lines, start=1):
                if not line.strip():
                    continue
                where = f"{self.name}:{number}"
                row = _json_object(line, where)
                if keys is None:
                    names = list(row)
                    keys = tuple(names[at] for at in choose(names, columns, where, False))
                yield where, row, keys


def _example(where: str, text: str, label: str, separator: str | None) -> Example:
    if separator is not None:
        return Example(text, _label_list(name.strip() for name in label.split(separator)), where)
    if not label.strip():
        raise InputError(f"{where}: has no label; give the row a label or take it out")
    return Example(text, label.strip(), where)


def choose_columns(
    found: Sequence[str], columns: Columns, where: str, positions: bool = True
) -> tuple[int, int]:
    """Finds the text and the label column.

    Args:
        found: the fields of the first row.
        columns: what the user asked for.
        where: "file:row" for errors.
        positions: whether columns may be given as positions.

    Returns:
        The positions of the text column and of the label column.

    Raises:
        InputError: if a column is not there, is there twice, or both are the same.
    """
    if positions and (_is_position(columns.text) or _is_position(columns.label)):
        for column in (columns.text, columns.label):
            if not _is_position(column):
                raise InputError(
                    f"{where}: one column is given as a position, the other is {column!r}; give "
                    "both as positions counted from 0 (--text-column 0 --label-column 1) or both "
                    "as names"
                )
        at_text = _position(columns.text, "--text-column", found, where)
        at_label = _position(columns.label, "--label-column", found, where)
    else:
        advice = _advice(positions, "--text-column 0 --label-column 1")
        at_text = _named(columns.text, TEXT_COLUMNS, "--text-column", found, where, advice)
        at_label = _named(columns.label, LABEL_COLUMNS, "--label-column", found, where, advice)
    if at_text == at_label:
        raise InputError(f"{where}: text and label are the same column; give two different ones")
    return at_text, at_label


def choose_text_column(
    found: Sequence[str], columns: Columns, where: str, positions: bool = True
) -> tuple[int]:
    """Finds the text column alone; as `choose_columns`."""
    if positions and _is_position(columns.text):
        return (_position(columns.text, "--text-column", found, where),)
    advice = _advice(positions, "--text-column 0")
    return (_named(columns.text, TEXT_COLUMNS, "--text-column", found, where, advice),)


# What chooses columns: (fields of the first row, columns, "file:row", positions) -> positions
_Chooser = Callable[[Sequence[str], Columns, str, bool], tuple[int, ...]]


def _advice(positions: bool, flags: str) -> str:
    return f", or, if the file has no header, give positions: {flags}" if positions else ""


def _is_position(column: str | None) -> bool:
    return column is not None and column.isascii() and column.isdigit()


def _position(column: str, flag: str, found: Sequence[str], where: str) -> int:
    if int(column) >= len(found):
        raise InputError(
            f"{where}: {flag} is {column}, but there {_are(len(found), 'column')}: {_shown(found)};"
            " positions are counted from 0"
        )
    return int(column)


def _named(
    column: str | None,
    usual: Sequence[str],
    flag: str,
    found: Sequence[str],
    where: str,
    advice: str,
) -> int:
    names = [name.strip().lower() for name in found]
    for name in usual if column is None else (column.strip().lower(),):
        if names.count(name) > 1:
            raise InputError(
                f"{where}: {names.count(name)} columns are called {name!r}: {_shown(found)}; "
                f"rename one, or name another with {flag}"
            )
        if name in names:
            return names.index(name)
    missing = f"no column {column!r}" if column else f"no column called {', '.join(usual)}"
    raise InputError(
        f"{where}: {missing}; the columns are {_shown(found)}; name one with {flag}{advice}"
    )


def _csv_rows(text_lines: Iterator[str], name: str) -> Iterator[tuple[int, list[str]]]:
    # The limit is one for the whole process, so it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    reader = csv.reader(text_lines, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            seen = "" if reader.line_num <= begins else f", noticed on line {reader.line_num}"
            raise InputError(
                f"{name}:{begins}: broken quote or line end ({error}{seen}); a field that holds a "
                'comma, quote or line end is quoted with ", and a quote inside is written ""'
            ) from None
        is_blank = not fields or len(fields) == 1 and fields[0].isspace()
        if not is_blank:
            yield begins, fields


def _tsv_rows(text_lines: Iterator[str], name: str) -> Iterator[tuple[int, list[str]]]:
    del name
    for number, line in enumerate(text_lines, start=1):
        line = line.removesuffix("\n").removesuffix("\r")
        if line.strip() or "\t" in line:
            yield number, line.split("\t")


def _json_object(line: str, where: str) -> dict:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: is not JSON ({error}); write one object a line") from None
    except ValueError:  # the only other thing that Python's reader refuses
        limit = sys.get_int_max_str_digits()
        raise InputError(
            f"{where}: holds a whole number of more than {limit:,} digits; write it as a string"
        ) from None
    if not isinstance(row, dict):
        raise InputError(
            f"{where}: is a JSON {type(row).__name__}, not an object; "
            'write one object a line, such as {"text": "...", "label": "..."}'
        )
    return row


def _json_text(row: dict, key: str, where: str) -> str:
    text = row.get(key)
    if not isinstance(text, str):
        raise InputError(f"{where}: {key!r} is {_json_shown(row, key)}, not a string")
    _check_characters(text, key, where)
    return text


def _check_characters(text: str, key: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{where}: {key!r} holds half a surrogate pair, \\u{ord(text[error.start]):04x}, "
            "which is no character; mend the escape"
        ) from None


def _json_label(row: dict, key: str, where: str) -> str | tuple[str, ...]:
    value = row.get(key)
    names = [_json_label_name(item) for item in (value if isinstance(value, list) else [value])]
    if None in names:
        raise InputError(
            f"{where}: has no label: {key!r} is {_json_shown(row, key)}; give a string or a "
            "number, or a list of them"
        )
    for name in names:
        _check_characters(name, key, where)
    return _label_list(names) if isinstance(value, list) else names[0]


def _json_label_name(value: object) -> str | None:
    """Returns the name of a label, or `None` if the value can be none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def _label_list(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the different names, in their order; empty ones are none."""
    return tuple(dict.fromkeys(name for name in names if name))


def _json_shown(row: dict, key: str) -> str:
    return json.dumps(row[key], ensure_ascii=False)[:40] if key in row else "missing"


def _shown(fields: Sequence[str]) -> str:
    shown = [repr(field if len(field) <= 30 else field[:27] + "...") for field in fields[:12]]
    return ", ".join(shown) + (f" and {len(fields) - 12} more" if len(fields) > 12 else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _are(number: int, noun: str) -> str:
    return f"{'is' if number == 1 else 'are'} {_count(number, noun)}"


class TableSource(Source):
    """A source of one table, or of a table for each part.

    Args:
        name: see `Source`.
        description: see `Source`.
        tables: the table of each part.
        columns: where text and label stand.
        notes: see `Source`.

    Raises:
        InputError: if a table cannot be read as far as its first row, or lacks a column.
    """

    has_columns = True

    def __init__(
        self,
        name: str,
        description: str,
        tables: dict[str, TableFile],
        columns: Columns,
        notes: tuple[str, ...] = (),
    ):
        super().__init__(name, description, tuple(tables), notes)
        self._tables = tables
        self._columns = columns
        # A wrong column in the test table should not wait until the model is trained.
        for table in tables.values():
            with closing(table.examples(columns)) as examples:
                next(examples, None)

    def _read(self, part: str) -> Iterator[Example]:
        return self._tables[part].examples(self._columns)


def has_ending(name: str | Path, endings: Sequence[str]) -> bool:
    """Whether the file name ends with one of `endings`, in any case of letters."""
    return str(name).lower().endswith(tuple(endings))


def single_table(path: Path, name: str, columns: Columns, encoding: str) -> TableSource:
    """Returns the source of the one table at `path`."""
    table = TableFile(SingleFile(path), (), encoding)
    return TableSource(name, f"the table {path.name}", {"all": table}, columns)
