"""Tables: what is read from each kind, and what every error says."""

import gzip
import io
import json
import tarfile

import pytest

from textlstm.data import Example, open_source
from textlstm.errors import InputError


def rows(data, part="all", **settings):
    return list(open_source(data, **settings).examples(part))


def fails(data, **settings):
    """Returns the message with which reading stops; it must be one line."""
    with pytest.raises(InputError) as caught:
        rows(data, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def test_csv_with_header_quotes_and_line_ends_in_fields(write):
    path = write(
        "reviews.csv",
        'label,review\r\npos,"Good, ""very"" good."\r\nneg,"Two\nlines"\r\n\r\nneg,很差\r\n',
    )
    assert rows(path) == [
        Example('Good, "very" good.', "pos", "reviews.csv:2"),
        Example("Two\nlines", "neg", "reviews.csv:3"),
        Example("很差", "neg", "reviews.csv:6"),
    ]
    source = open_source(path)
    assert (source.name, source.parts, source.notes) == ("reviews", ("all",), [])


@pytest.mark.parametrize(
    "header", ["TEXT,Label", "id,Sentence,category", "Content,sentiment", "label,text_a"]
)
def test_usual_column_names_in_any_case(write, header):
    names = header.lower().split(",")
    at_text = [n in ("text", "sentence", "content", "text_a") for n in names].index(True)
    row = [["x", "good"][i == at_text] for i in range(len(names))]
    path = write("t.csv", f"{header}\n{','.join(row)}\n{','.join(row).replace('x', 'y')}\n")
    assert {(e.text, e.label) for e in rows(path)} == {("good", "x"), ("good", "y")}


def test_text_comes_before_review_where_both_are_columns(write):
    path = write("t.csv", "review,text,label\n1,good,a\n2,bad,b\n")
    assert [e.text for e in rows(path)] == ["good", "bad"]


def test_columns_by_name(write):
    path = write("t.csv", "id,text,body,stars\n1,x,good,5\n2,x,bad,1\n")
    found = rows(path, text_column="Body", label_column="stars")
    assert [(e.text, e.label) for e in found] == [("good", "5"), ("bad", "1")]


def test_columns_by_position_make_every_line_data(write):
    path = write("t.csv", "1,good\n0,bad\n")
    found = rows(path, text_column="1", label_column="0")
    assert found == [Example("good", "1", "t.csv:1"), Example("bad", "0", "t.csv:2")]


def test_a_header_with_columns_by_position(write):
    path = write("t.csv", "0,note,text\nx,a,good\ny,b,bad\n")
    found = rows(path, text_column="2", label_column="0", header=True)
    assert found == [Example("good", "x", "t.csv:2"), Example("bad", "y", "t.csv:3")]
    assert [e.label for e in rows(path, label_column="note", header=True)] == ["a", "b"]


def test_no_header_said_aloud(write):
    path = write("t.tsv", "good\tx\nbad\ty\n")
    settings = {"text_column": "0", "label_column": "1"}
    assert rows(path, header=False, **settings) == rows(path, **settings)
    assert len(rows(path, **settings)) == 2


def test_several_labels_in_a_field(write):
    path = write("t.csv", "text,label\na,comedy | drama\nb,\nc,drama|drama||war\n")
    source = open_source(path, label_separator="|")
    assert source.multi_label is None
    found = list(source.examples("all"))
    assert [e.label for e in found] == [("comedy", "drama"), (), ("drama", "war")]
    assert [e.labels for e in found] == [e.label for e in found]
    assert source.multi_label is True


def test_lists_of_labels_in_jsonl(write):
    lines = [{"text": "a", "label": ["x", 5, True, "x"]}, {"text": "b", "label": []}]
    source = open_source(write("t.jsonl", "\n".join(json.dumps(line) for line in lines)))
    assert [e.label for e in source.examples("all")] == [("x", "5", "true"), ()]
    assert source.multi_label is True


def test_one_label_is_no_list(write):
    source = open_source(write("t.csv", "text,label\na,x|y\nb,z\n"))
    assert [e.label for e in source.examples("all")] == ["x|y", "z"]
    assert [e.labels for e in source.examples("all")] == [("x|y",), ("z",)]
    assert source.multi_label is False


def test_tsv_takes_quotes_as_text(write):
    path = write("t.tsv", 'text\tlabel\n"No" is "no\t0\r\nfine\t1\n')
    assert [(e.text, e.label) for e in rows(path)] == [('"No" is "no', "0"), ("fine", "1")]


def test_jsonl_with_numbers_and_booleans_as_labels(write):
    lines = [{"text": "a", "label": 1}, {"label": True, "text": "b"}, {"text": "c", "label": " x "}]
    path = write("t.jsonl", "\n\n".join(json.dumps(line) for line in lines))
    assert [(e.label, e.where) for e in rows(path)] == [
        ("1", "t.jsonl:1"),
        ("true", "t.jsonl:3"),
        ("x", "t.jsonl:5"),
    ]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.tsv.gz", "t.jsonl.gz", "T.CSV"])
def test_compressed_and_upper_case_endings(write, name):
    content = {
        "c": "text,label\na,x\nb,y\n",
        "t": "text\tlabel\na\tx\nb\ty\n",
        "j": '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n',
    }[name.lower().split(".")[1][0]]
    path = write(name, content)
    assert [(e.text, e.label) for e in rows(path)] == [("a", "x"), ("b", "y")]
    assert open_source(path).name.lower() == "t"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
def test_encodings_and_byte_order_mark(write, encoding):
    path = write("t.csv", "text,label\n很好,好\n很差,差\n".encode(encoding))
    given = "utf-8" if encoding == "utf-8-sig" else encoding
    assert [(e.text, e.label) for e in rows(path, encoding=given)] == [
        ("很好", "好"),
        ("很差", "差"),
    ]


def test_a_field_may_be_longer_than_the_csv_module_takes_by_itself(write):
    path = write("t.csv", f"text,label\n{'a' * 300_000},x\nb,y\n")
    assert len(rows(path)[0].text) == 300_000


def test_reading_is_streamed(write):
    path = write("t.csv", "text,label\n" + "good,x\n" * 5 + 'broken"quote,"x"y\n')
    examples = open_source(path).examples("all")
    assert [next(examples).text for _ in range(5)] == ["good"] * 5
    with pytest.raises(InputError):
        next(examples)


def test_folder_with_a_table_for_each_part(write, tmp_path):
    for part in ("train", "dev", "test"):
        write(f"set/{part}.tsv", f"text\tlabel\n{part} a\tx\n{part} b\ty\n")
    write("set/readme.md", "about")
    write("set/.ipynb_checkpoints/train-checkpoint.csv", "text,label\n")
    source = open_source(tmp_path / "set")
    assert source.parts == ("train", "validation", "test")
    assert source.name == "set"
    assert [e.text for e in source.examples("validation")] == ["dev a", "dev b"]
    assert source.notes == [
        "left out 2 files or folders beside the set: set/readme.md, "
        "set/.ipynb_checkpoints/train-checkpoint.csv"
    ]


def test_folder_with_one_table(write, tmp_path):
    write("set/my reviews.csv", "text,label\na,x\nb,y\n")
    source = open_source(tmp_path / "set")
    assert source.parts == ("all",)
    assert [e.where for e in source.examples("all")] == [
        "set/my reviews.csv:2",
        "set/my reviews.csv:3",
    ]


def test_a_link_is_read_by_its_own_name(write, tmp_path):
    (tmp_path / "t.csv").symlink_to(write("blobs/3f2a9c", "text,label\na,x\nb,y\n"))
    source = open_source(tmp_path / "t.csv")
    assert (source.name, [e.where for e in source.examples("all")]) == ("t", ["t.csv:2", "t.csv:3"])


def test_the_working_folder_has_its_own_name(write, tmp_path, monkeypatch):
    write("set/a/t.csv", "text,label\na,x\nb,y\n")
    monkeypatch.chdir(tmp_path / "set" / "a")
    assert open_source(".").name == "a"
    assert [e.where for e in rows("..")] == ["set/a/t.csv:2", "set/a/t.csv:3"]


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.csv.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_table_in_an_archive(tmp_path, kind, encoding, name):
    table = "text,label\na,x\nb,y\n".encode(encoding)
    table = gzip.compress(table) if name.endswith(".gz") else table
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        import zipfile

        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, table)
            archive.writestr(f"__MACOSX/._{name}", b"\xff")
    else:
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo(f"./wrap/{name}")
            member.size = len(table)
            archive.addfile(member, io.BytesIO(table))
    assert [e.text for e in rows(path, encoding=encoding)] == ["a", "b"]


def test_lines_of_spaces_are_no_rows(write):
    for name, mark in (("t.csv", ","), ("t.tsv", "\t"), ("t.csv", "\t,")):
        path = write(name, f"text{mark}label\n   \na{mark}x\n \u3000\r\nb{mark}y\n  ")
        assert [(e.text.strip(), e.where) for e in rows(path)] == [
            ("a", f"{name}:3"),
            ("b", f"{name}:5"),
        ]


def test_rows_with_an_empty_text_are_left_out_and_noted_once(write):
    path = write("hotel.csv", "text,label\na,x\n ,x\nb,y\n,y\n")
    source = open_source(path)
    assert source.notes == []
    for _ in range(2):
        assert [e.text for e in source.examples("all")] == ["a", "b"]
    assert source.notes == ["left out 2 rows with an empty text: hotel.csv:3, hotel.csv:5"]
    next(source.examples("all"))
    assert len(source.notes) == 1


def test_many_empty_texts_make_one_short_note(write):
    path = write("t.csv", "text,label\na,x\nb,y\n" + ",x\n" * 1_005)
    source = open_source(path)
    list(source.examples("all"))
    assert source.notes == [
        "left out 1,005 rows with an empty text: t.csv:4, t.csv:5, t.csv:6 and 1,002 more"
    ]


# Every mistake: file name, content, settings, and what the message must name.
MISTAKES = {
    "no label": ("a.csv", "text,label\na,x\nb,\n", {}, ["a.csv:3", "no label"]),
    "too few columns": ("a.csv", "text,label\na,x\nb\n", {}, ["a.csv:3", "1 column ", "row has 2"]),
    "too many columns": ("a.tsv", "text\tlabel\na\tb\tx\n", {}, ["a.tsv:2", "3 columns"]),
    "open quote": ("a.csv", 'text,label\na,x\n"b,y\nc,z\n', {}, ["a.csv:3", "quote", "line 4"]),
    "text after quote": ("a.csv", 'text,label\na,x\n"b"c,y\n', {}, ["a.csv:3", "quote"]),
    "NUL": ("a.csv", "text,label\na,x\nb\0,y\n", {}, ["a.csv:3", "NUL"]),
    "bad byte": (
        "a.csv",
        "text,label\na,x\ncaf\u00e9 ,y\n".encode("latin-1"),
        {},
        ["a.csv:3", "byte 0xE9 at position 4", "utf-8", "--encoding windows-1252"],
    ),
    "bad byte, Chinese": (
        "a.tsv",
        "text\tlabel\n很好吃\tx\n".encode("gb18030"),
        {},
        ["a.tsv:2", "byte 0xBA", "--encoding gb18030"],
    ),
    "UTF-16 cut off": (
        "a.csv",
        "text,label\na,x\n".encode("utf-16") + b"\x00",
        {"encoding": "utf-16"},
        ["a.csv", "not utf-16 after line 2", "--encoding"],
    ),
    "unknown encoding": ("a.csv", "text,label\na,x\n", {"encoding": "utf8x"}, ["utf8x", "gb18030"]),
    "no encoding": ("a.csv", "text,label\na,x\n", {"encoding": "undefined"}, ["'undefined'"]),
    "no usual name": (
        "a.csv",
        "id,body\n1,x\n",
        {},
        ["a.csv:1", "text, review, sentence, content", "'id', 'body'", "--text-column"],
    ),
    "no such name": (
        "a.csv",
        "text,label\na,x\n",
        {"label_column": "stars"},
        ["a.csv:1", "'stars'", "'text', 'label'", "--label-column"],
    ),
    "name twice": ("a.csv", "text,label,Text\na,x,b\n", {}, ["a.csv:1", "2 columns", "'text'"]),
    "same column": (
        "a.csv",
        "text,label\na,x\n",
        {"text_column": "label"},
        ["a.csv:1", "same column"],
    ),
    "position out of range": (
        "a.csv",
        "a,x\n",
        {"text_column": "0", "label_column": "2"},
        ["a.csv:1", "--label-column is 2", "are 2 columns", "counted from 0"],
    ),
    "one position": (
        "a.csv",
        "a,x\n",
        {"label_column": "1"},
        ["a.csv:1", "--text-column", "both as positions"],
    ),
    "no header, no positions": (
        "a.csv",
        "good,x\nbad,y\n",
        {"header": False},
        ["a.csv:1", "2 columns: 'good', 'x'", "--text-column 0 --label-column 1", "--no-header"],
    ),
    "no header, names": (
        "a.csv",
        "text,label\na,x\n",
        {"header": False, "text_column": "text"},
        ["a.csv:1", "by position", "--no-header"],
    ),
    "no header, one position": (
        "a.csv",
        "good,x\n",
        {"header": False, "text_column": "0"},
        ["a.csv:1", "--label-column", "both as positions"],
    ),
    "header of JSON lines": (
        "a.jsonl",
        '{"text": "a", "label": "x"}\n',
        {"header": True},
        ["a.jsonl", "no header row", "--header"],
    ),
    "separator of JSON lines": (
        "a.jsonl",
        '{"text": "a", "label": "x|y"}\n',
        {"label_separator": "|"},
        ["a.jsonl", "'|'", "--label-separator", '["...", "..."]'],
    ),
    "empty separator": ("a.csv", "text,label\n", {"label_separator": ""}, ["separator is empty"]),
    "lists of one class": (
        "a.csv",
        "text,label\na,x\nb,\n",
        {"label_separator": "|"},
        ["a", "only label is 'x'", "two classes"],
    ),
    "no label at all": (
        "a.csv",
        "text,label\na,\nb,\n",
        {"label_separator": "|"},
        ["a", "no row has a label", "two classes"],
    ),
    "a list beside single labels": (
        "a.jsonl",
        '{"text": "a", "label": "x"}\n{"text": "b", "label": ["y"]}\n',
        {},
        ["a.jsonl:2", "a list of labels", "a.jsonl:1", "one label"],
    ),
    "a list with no name in it": (
        "a.jsonl",
        '{"text": "a", "label": ["x", null]}\n',
        {},
        ["a.jsonl:1", "no label", '["x", null]'],
    ),
    "no rows": ("a.csv", "text,label\n", {}, ["a", "holds no text"]),
    "empty file": ("a.csv", "", {}, ["a", "holds no text"]),
    "one class": ("a.csv", "text,label\na,x\nb,x\n", {}, ["a", "'x'", "two classes"]),
    "no JSON": ("a.jsonl", '{"text": "a", "label": "x"}\n{"text"\n', {}, ["a.jsonl:2", "not JSON"]),
    "a JSON list": ("a.jsonl", '["a", "x"]\n', {}, ["a.jsonl:1", "list", "object"]),
    "JSON without label": (
        "a.jsonl",
        '{"text": "a", "label": "x"}\n{"text": "b"}\n',
        {},
        ["a.jsonl:2", "no label", "'label' is missing"],
    ),
    "JSON null label": (
        "a.jsonl",
        '{"text": "a", "label": null}\n',
        {},
        ["a.jsonl:1", "no label", "null"],
    ),
    "JSON number as text": (
        "a.jsonl",
        '{"text": 5, "label": "x"}\n',
        {},
        ["a.jsonl:1", "'text' is 5", "not a string"],
    ),
    "JSON half surrogate": (
        "a.jsonl",
        '{"text": "a\\ud83d", "label": "x"}\n',
        {},
        ["a.jsonl:1", "surrogate", "\\ud83d"],
    ),
    "JSON half surrogate as a label": (
        "a.jsonl",
        '{"text": "a", "label": ["x", "\\ud83d"]}\n',
        {},
        ["a.jsonl:1", "'label'", "surrogate", "\\ud83d"],
    ),
    "JSON number of too many digits": (
        "a.jsonl",
        f'{{"text": "a", "label": {"9" * 5_000}}}\n',
        {},
        ["a.jsonl:1", "more than 4,300 digits", "as a string"],
    ),
    "JSON without usual key": ("a.jsonl", '{"a": "b"}\n', {}, ["a.jsonl:1", "text, review", "'a'"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_with_file_and_row(write, mistake):
    name, content, settings, words = MISTAKES[mistake]
    message = fails(write(name, content), **settings)
    assert all(word in message for word in words), message


def test_wrong_column_of_the_test_table_is_found_on_opening(write, tmp_path):
    write("set/train.csv", "text,label\na,x\nb,y\n")
    write("set/test.csv", "body,label\na,x\n")
    with pytest.raises(InputError, match="set/test.csv:1"):
        open_source(tmp_path / "set")


def test_damaged_gz_is_named(write, tmp_path):
    path = write("t.csv.gz", "text,label\n" + "a,x\nb,y\n" * 2_000)
    path.write_bytes(path.read_bytes()[:-20])
    assert "t.csv.gz" in fails(path)
    path.write_bytes(b"text,label\na,x\n")
    assert "t.csv.gz" in fails(path)


def test_tables_that_could_be_meant_are_listed(write, tmp_path):
    write("set/one.csv", "text,label\na,x\n")
    write("set/two.csv", "text,label\na,x\n")
    message = fails(tmp_path / "set")
    assert "set/one.csv, set/two.csv" in message and "train" in message


def test_two_tables_for_one_part(write, tmp_path):
    for name in ("train", "dev", "valid"):
        write(f"set/{name}.csv", "text,label\na,x\nb,y\n")
    message = fails(tmp_path / "set")
    assert "set/dev.csv" in message and "set/valid.csv" in message and "validation" in message


def test_tables_in_several_places(write, tmp_path):
    write("sets/one/train.csv", "text,label\na,x\n")
    write("sets/two/train.csv", "text,label\na,x\n")
    assert "several places" in fails(tmp_path / "sets")


def test_missing_path_and_unknown_ending(write, tmp_path):
    for path in (tmp_path / "none.csv", write("novel.doc", "x"), "sampel"):
        message = fails(path)
        assert str(path) in message
        assert "sample" in message and ".jsonl" in message and ".tar.gz" in message


def test_unknown_part(write):
    path = write("t.csv", "text,label\na,x\nb,y\n")
    with pytest.raises(InputError, match="no part 'test'.* all"):
        open_source(path).examples("test")
