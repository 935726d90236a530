"""Several sources opened as one: where rows came from, and what does not go together."""

import zipfile

import pytest

from textlstm.data import open_source, split_examples
from textlstm.errors import InputError


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return write


def found(source, part="all"):
    return [(e.source, e.text, e.label, e.where) for e in source.examples(part)]


def test_rows_say_where_they_came_from(write, tmp_path):
    hotel = write("hotel.csv", "label,review\n1,clean\n0,loud\n")
    food = write("food.jsonl", '{"text": "cold", "label": 0}\n')
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("shop.csv", "cat,label,review\nbooks,1,thick\n")
    source = open_source([hotel, str(food), tmp_path / "shop.zip"])
    assert (source.name, source.parts) == ("hotel+food+shop", ("all",))
    assert found(source) == [
        ("hotel", "clean", "1", "hotel.csv:2"),
        ("hotel", "loud", "0", "hotel.csv:3"),
        ("food", "cold", "0", "food.jsonl:1"),
        ("shop", "thick", "1", "shop.zip/shop.csv:2"),
    ]
    assert source.description == "3 sets: the table hotel.csv; the table food.jsonl; " + (
        "shop.csv in shop.zip"
    )


def test_parts_are_joined_part_by_part(write, tmp_path):
    for name in ("a", "b"):
        for part in ("train", "test"):
            write(f"{name}/{part}.csv", f"text,label\n{name} {part},x\n{name} {part} too,y\n")
    write("b/readme.md", "about")
    source = open_source((tmp_path / "a", tmp_path / "b"))
    assert source.parts == ("train", "test")
    assert [row[1] for row in found(source, "test")] == [
        "a test",
        "a test too",
        "b test",
        "b test too",
    ]
    split = split_examples(source, validation_share=0)
    assert [e.source for e in split.examples("test")] == ["a", "a", "b", "b"]
    assert split.notes == ["left out 1 file or folder beside the set: b/readme.md"]


def test_a_class_a_file(write):
    good = write("good.tsv", "text\tlabel\nfine\tgood\n \tgood\n")
    bad = write("bad.tsv", "text\tlabel\npoor\tbad\n")
    source = open_source([good, bad])
    assert [row[2] for row in found(source)] == ["good", "bad"]
    assert source.notes == ["left out 1 row with an empty text: good.tsv:3"]
    with pytest.raises(InputError, match="good: every row has the label"):
        found(open_source(good))


def test_equal_names_are_told_apart(write):
    paths = [write(f"{folder}/t.csv", "text,label\na,x\nb,y\n") for folder in "abc"]
    source = open_source(paths)
    assert source.names == ("t", "t-2", "t-3")
    assert [row[0] for row in found(source)] == ["t", "t", "t-2", "t-2", "t-3", "t-3"]


def test_long_names_are_cut(write):
    paths = [write(f"{letter * 29}.csv", "text,label\na,x\nb,y\n") for letter in "abc"]
    assert open_source(paths).name == f"{'a' * 29}+{'b' * 29}"


def test_a_list_of_one_is_that_one(write):
    path = write("t.csv", "text,label\na,x\nb,y\n")
    source = open_source([path])
    assert source.name == "t"
    assert found(source)[0] == ("", "a", "x", "t.csv:2")


def test_columns_are_those_of_all(write):
    paths = [write(f"{name}.csv", f"{name},1\nb,0\n") for name in "ab"]
    source = open_source(paths, text_column="0", label_column="1")
    assert [row[1] for row in found(source)] == ["a", "b", "b", "b"]


def test_mistakes(write, tmp_path):
    table = write("t.csv", "text,label\na,x\nb,y\n")
    lists = write("lists.jsonl", '{"text": "a", "label": ["x"]}\n')
    for part in ("train", "test"):
        write(f"set/{part}.csv", "text,label\na,x\nb,y\n")
    with pytest.raises(InputError, match="empty list"):
        open_source([])
    with pytest.raises(InputError, match=r"t\.csv': is given twice"):
        open_source([table, str(table)])
    with pytest.raises(InputError, match="t brings no parts and set the parts train, test"):
        open_source([table, tmp_path / "set"])
    with pytest.raises(InputError, match=r"none\.csv.*no such file"):
        open_source([table, tmp_path / "none.csv"])
    with pytest.raises(InputError, match=r"lists.jsonl:1: has a list of labels where t.csv:2 has"):
        found(open_source([table, lists]))


def test_labels_get_other_names_over_all_sources(tmp_path):
    for name, rows in (("a", "x,1\ny,2\n"), ("b", "z,4\n,5\nw,5\n")):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows, "utf-8")
    names = {"1": "bad", "2": "bad", "5": "good"}
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    source = open_source(paths, label_names=names)
    assert [e.label for e in source.examples("all")] == ["bad", "bad", "4", "good"]
    assert [e.label for e in open_source(paths).examples("all")] == ["1", "2", "4", "5"]
    with pytest.raises(InputError, match=r"a\+b: no row has the label '3'.*are 1, 2, 4, 5"):
        list(open_source(paths, label_names={"3": "so so"}).examples("all"))


def test_names_that_fall_together_are_one_of_several_labels(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nx,1|2\ny,3\nz,\n", "utf-8")
    source = open_source(
        tmp_path / "a.csv", label_separator="|", label_names={"1": "odd", "2": "odd", "3": "even"}
    )
    assert [e.label for e in source.examples("all")] == [("odd",), ("even",), ()]
