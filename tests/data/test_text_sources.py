"""Running text: files, folders, archives, tables, TFDS sets and what Python carries."""

import gzip
import platform
import zipfile

import pytest

from textlstm import InputError, open_source, open_texts, split_examples, split_texts


def texts(source, part):
    return [row.text for row in source.texts(part)]


def places(source, part):
    return [row.where for row in source.texts(part)]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


POEM = "春眠不觉晓，\n处处闻啼鸟。\n\n\n夜来风雨声，\r\n花落知多少。\n"


@pytest.mark.parametrize(
    "unit, found, where",
    [
        ("file", [POEM.replace("\r", "")], ["poem.txt"]),
        (
            "paragraph",
            ["春眠不觉晓，\n处处闻啼鸟。", "夜来风雨声，\n花落知多少。"],
            ["poem.txt:1", "poem.txt:5"],
        ),
        (
            "line",
            ["春眠不觉晓，", "处处闻啼鸟。", "夜来风雨声，", "花落知多少。"],
            ["poem.txt:1", "poem.txt:2", "poem.txt:5", "poem.txt:6"],
        ),
    ],
)
def test_a_text_is_a_file_or_its_paragraphs_or_lines(tmp_path, unit, found, where):
    source = open_texts(write(tmp_path / "poem.txt", POEM), unit=unit)
    assert (source.name, source.parts) == ("poem", ("all",))
    assert texts(source, "all") == found
    assert places(source, "all") == where


def test_several_files_and_a_compressed_one_are_one_source(tmp_path):
    first = write(tmp_path / "a.txt", "\ufeffone")
    second = tmp_path / "b.txt.gz"
    second.write_bytes(gzip.compress(b"two"))
    empty = write(tmp_path / "c.txt", " \n")
    assert texts(open_texts(tmp_path), "all") == ["one", "two"]
    source = open_texts([first, second, empty])
    assert texts(source, "all") == ["one", "two"]
    assert source.notes == ["left out 1 text with nothing in it: c.txt"]
    with pytest.raises(InputError, match="is given twice"):
        open_texts([first, first])
    assert (source.name, source.parts) == ("a+b+c", ("all",))


def test_several_kinds_are_one_source(tmp_path):
    text = write(tmp_path / "a.txt", "one\ntwo\n")
    table = write(tmp_path / "b.csv", "review,label\nthree,x\n")
    source = open_texts([text, table], unit="line")
    assert texts(source, "all") == ["one", "two", "three"]
    assert places(source, "all") == ["a.txt:1", "a.txt:2", "b.csv:2"]
    write(tmp_path / "c" / "train.txt", "four")
    with pytest.raises(InputError, match="a brings no parts and c the parts train"):
        open_texts([text, tmp_path / "c"])
    with pytest.raises(InputError, match="empty list"):
        open_texts([])


def test_tables_in_an_archive_are_texts_without_their_labels(tmp_path):
    path = tmp_path / "goods.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("goods.csv", "cat,label,review\nbook,1,good\nbook,0,bad\n")
    assert texts(open_texts(path), "all") == ["good", "bad"]
    folder = tmp_path / "splits"
    for part, text in (("train", "one"), ("dev", "two"), ("test", "three")):
        write(folder / f"{part}.tsv", f"label\ttext_a\n0\t{text}\n1\tand more\n")
    source = open_texts(folder)
    assert [texts(source, part)[0] for part in source.parts] == ["one", "two", "three"]


def test_a_classifier_and_a_language_model_hold_out_the_same_texts(tmp_path):
    rows = [f"text number {i},{'ab'[i % 2]}" for i in range(300)]
    path = write(tmp_path / "table.csv", "\n".join(["text,label", *rows]))
    of_texts = split_texts(open_texts(path), test_size=0.1, validation_size=0.1)
    of_examples = split_examples(open_source(path))
    for part in ("train", "validation", "test"):
        assert texts(of_texts, part) == [e.text for e in of_examples.examples(part)]


def test_files_named_after_parts_are_of_them(tmp_path):
    write(tmp_path / "wiki.train.tokens", "a")
    write(tmp_path / "wiki.valid.tokens", "b")
    write(tmp_path / "test" / "x.md", "c")
    write(tmp_path / "extra.txt", "d")
    write(tmp_path / "picture.png", "no text")
    source = open_texts(tmp_path)
    assert source.parts == ("train", "validation", "test")
    assert [texts(source, part) for part in source.parts] == [["d", "a"], ["b"], ["c"]]


def test_numbered_files_are_of_one_part(tmp_path):
    for name in ("train-00.txt", "train-00001-of-00002.txt", "test_1.txt", "dev2.txt"):
        write(tmp_path / name, name)
    source = open_texts(tmp_path)
    assert [(part, len(texts(source, part))) for part in source.parts] == [
        ("train", 2),
        ("validation", 1),
        ("test", 1),
    ]
    assert source.notes == []


def test_without_a_file_to_train_on_all_files_are_alike_with_a_note(tmp_path):
    for name in ("test.txt", "book.txt", "latest.txt"):
        write(tmp_path / "set" / name, name)
    source = open_texts(tmp_path / "set")
    assert texts(source, "all") == ["book.txt", "latest.txt", "test.txt"]
    assert [note.split(";")[0] for note in source.notes] == ["trains also on set/test.txt"]


def test_a_name_that_only_speaks_of_a_part_is_noted(tmp_path):
    for name in ("train.txt", "test.txt", "wiki-test.txt"):
        write(tmp_path / "set" / name, name)
    source = open_texts(tmp_path / "set")
    assert texts(source, "train") == ["train.txt", "wiki-test.txt"]
    assert "trains also on set/wiki-test.txt; to hold" in source.notes[0]


def test_files_about_the_data_are_no_texts(tmp_path):
    about = ("README.md", "LICENSE.txt", "CHANGELOG.zh.rst", "sub/notice.txt.gz")
    for name in ("train.txt", "test.txt", *about):
        write(tmp_path / "set" / name, name)
    source = open_texts(tmp_path / "set")
    assert texts(source, "train") == ["train.txt"]
    assert source.notes == [
        "left out 4 files about the data: set/CHANGELOG.zh.rst, set/LICENSE.txt, set/README.md and "
        "1 more; --files takes them"
    ]
    assert texts(open_texts(tmp_path / "set", files=["*.md"]), "all") == ["README.md"]


def test_a_file_about_the_data_is_read_where_there_is_nothing_else(tmp_path):
    write(tmp_path / "README.md", "about")
    source = open_texts(tmp_path)
    assert (texts(source, "all"), source.notes) == (["about"], [])
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.txt", "one")
    assert texts(open_texts(tmp_path), "all") == ["one"]
    write(tmp_path / "goods.csv", "text,label\ntwo,a\nthree,b\n")
    assert texts(open_texts(tmp_path), "all") == ["two", "three"]


def test_hidden_files_are_texts_only_by_name(tmp_path):
    hidden = (".ipynb_checkpoints/a.txt", "__MACOSX/._a.txt", ".b.txt")
    for name in ("a.txt", *hidden):
        write(tmp_path / name, name)
    for files in ((), ["*"], ["*.txt"]):
        assert texts(open_texts(tmp_path, files=files), "all") == ["a.txt"]
    assert texts(open_texts(tmp_path, files=["__MACOSX/*"]), "all") == ["__MACOSX/._a.txt"]


def test_an_archive_or_a_folder_of_archives_is_read_in_place(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("set/train/pos/1.txt", "set/train/urls.txt", "set/test/neg/2.txt"):
            archive.writestr(name, name)
    for data in (tmp_path / "set.zip", tmp_path):
        assert len(texts(open_texts(data), "train")) == 2
        source = open_texts(data, files=["*/pos/*", "*/neg/*"])
        assert texts(source, "train") == ["set/train/pos/1.txt"]
        assert texts(source, "test") == ["set/test/neg/2.txt"]
    with pytest.raises(InputError, match=r"holds no files \*/unsup/\*"):
        open_texts(tmp_path, files=["*/unsup/*"])


def test_a_table_has_a_text_in_each_row(tmp_path):
    table = write(tmp_path / "poems.csv", 'title,text\nA,"one\ntwo"\nB,three\n')
    assert texts(open_texts(table), "all") == ["one\ntwo", "three"]
    assert texts(open_texts(table, text_column="title"), "all") == ["A", "B"]
    assert texts(open_texts(table, text_column="1", header=True), "all") == ["one\ntwo", "three"]
    lines = write(tmp_path / "poems.jsonl", '{"poem": "one"}\n{"poem": "two"}\n')
    assert texts(open_texts(lines, text_column="poem"), "all") == ["one", "two"]
    with pytest.raises(InputError, match="no column called text, .*give|name one"):
        open_texts(lines)


def test_the_sample_is_what_python_carries():
    source = open_texts("sample")
    assert platform.python_version() in source.description
    found = texts(source, "all")
    assert len(found) > 50 and sum(map(len, found)) > 300_000
    assert all(text.endswith("\n") for text in found)


@pytest.mark.parametrize(
    "data, options, message",
    [
        ("nothing-here.txt", {}, "there is no such file or folder; what is taken: sample"),
        ([], {}, "data is an empty list"),
        ("sample", {"unit": "word"}, "a text is a file, paragraph, line; got 'word'"),
        ("sample", {"encoding": "utf-9"}, "encoding 'utf-9' is unknown"),
    ],
)
def test_what_cannot_be_opened_is_named(data, options, message):
    with pytest.raises(InputError, match=message):
        open_texts(data, **options)


def test_bytes_of_another_encoding_are_named_with_their_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\ntwo \xe9\n")
    with pytest.raises(InputError, match="a.txt:2: byte 0xE9 .* is not utf-8"):
        texts(open_texts(path), "all")
    with pytest.raises(InputError, match="empty: holds no text"):
        texts(open_texts(write(tmp_path / "empty.txt", "")), "all")
