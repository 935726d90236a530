import gzip
import zipfile

import pytest

from textlstm import InputError
from textlstm.data import open_pairs


def sides(source, part="all"):
    return [(pair.source, pair.target) for pair in source.pairs(part)]


@pytest.fixture
def files(tmp_path):
    """Writes files by name into a folder, and returns it."""

    def write(**contents):
        for name, text in contents.items():
            data = text.encode()
            (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path

    return write


def test_two_aligned_files(files):
    folder = files(**{"a.en": "\ufeffOne.\r\nTwo.\n", "a.zh": "一。\n二。"})
    source = open_pairs([folder / "a.en", folder / "a.zh"])
    assert source.name == "a"
    pairs = list(source.pairs("all"))
    assert [(pair.source, pair.target) for pair in pairs] == [("One.", "一。"), ("Two.", "二。")]
    assert pairs[1].where == "a.en:2"
    by_name = open_pairs(folder / "a", source_language="zh", target_language="en")
    assert sides(by_name) == [("一。", "One."), ("二。", "Two.")]


@pytest.mark.parametrize("longer", ["en", "zh"])
def test_files_of_unequal_length_are_told_with_both_counts(files, longer):
    counts = {language: 1_200 if language == longer else 1_000 for language in ("en", "zh")}
    folder = files(**{f"a.{language}": "x\n" * count for language, count in counts.items()})
    source = open_pairs([folder / "a.en", folder / "a.zh"])
    expected = f"a.en has {counts['en']:,} lines and a.zh {counts['zh']:,}; aligned"
    with pytest.raises(InputError, match=expected):
        list(source.pairs("all"))


def test_a_character_that_some_take_for_a_line_end_is_none(files):
    folder = files(**{"a.en": "one\u2028two\x0bthree\n", "a.zh": "一\u0085二\n"})
    source = open_pairs([folder / "a.en", folder / "a.zh"])
    assert sides(source) == [("one\u2028two\x0bthree", "一\u0085二")]


def test_two_names_of_one_part_are_refused(files):
    names = ("train", "dev", "val")
    folder = files(**{f"{name}.{ending}": "x\n" for name in names for ending in ("en", "zh")})
    with pytest.raises(InputError, match="both 'dev' and 'val' could be the validation part; take"):
        open_pairs(folder, source_language="en", target_language="zh")


def test_a_file_that_is_there_plain_and_compressed_is_refused(files):
    folder = files(**{"a.en": "x\n", "a.en.gz": "y\n", "a.zh": "z\n"})
    for data in (folder, folder / "a"):
        with pytest.raises(InputError, match="holds both a.en and a.en.gz; take one of them away"):
            open_pairs(data, source_language="en", target_language="zh")


def test_a_folder_with_a_pair_of_files_for_each_part(files):
    names = ("train", "val", "test", "test_2017")
    contents = {f"{name}.en.gz": f"{name}\n" for name in names}
    contents |= {f"{name}.de": f"auf {name}\n" for name in names} | {"readme.md": "x"}
    contents |= {"._train.en": "", "._train.de": ""}
    folder = files(**contents)
    source = open_pairs(folder, source_language="en", target_language="de")
    assert source.parts == ("train", "validation", "test", "test_2017")
    assert sides(source, "validation") == [("val", "auf val")]
    assert sides(source, "test_2017") == [("test_2017", "auf test_2017")]


@pytest.mark.parametrize("ending", [".tsv", ".txt", ".txt.gz", ".csv"])
def test_a_table_without_a_header(files, ending):
    comma = "," if ending == ".csv" else "\t"
    rows = [["One.", "一。", "who"], ["Two.", "二。", "who"]]
    folder = files(**{"a" + ending: "\n".join(comma.join(row) for row in rows)})
    source = open_pairs(folder / f"a{ending}")
    assert (source.name, sides(source)) == ("a", [("One.", "一。"), ("Two.", "二。")])
    # The languages may be said for the sake of further data, whose columns have names.
    named = open_pairs(folder / f"a{ending}", source_language="en", target_language="zh")
    assert sides(named) == sides(source)
    turned = open_pairs(folder / f"a{ending}", text_column="1", label_column="0")
    assert sides(turned) == [("一。", "One."), ("二。", "Two.")]


def test_columns_by_name(files):
    folder = files(
        **{"a.tsv": "id\ten\tzh\n7\tOne.\t一。\n", "a.jsonl": '{"zh": "一。", "en": "One."}\n'}
    )
    for name, options in (
        ("a.tsv", {"text_column": "en", "label_column": "zh"}),
        ("a.tsv", {"source_language": "en", "target_language": "zh", "header": True}),
        ("a.tsv", {"source_language": "en", "target_language": "zh"}),
        ("a.jsonl", {"source_language": "en", "target_language": "zh"}),
    ):
        assert sides(open_pairs(folder / name, **options)) == [("One.", "一。")]
    with pytest.raises(InputError, match="a.tsv:1: no column 'fr'; the columns are 'id', 'en'"):
        open_pairs(folder / "a.tsv", text_column="en", label_column="fr")
    with pytest.raises(InputError, match="--label-column is 3, but there are 3 columns"):
        open_pairs(folder / "a.tsv", text_column="1", label_column="3")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_an_archive_with_one_table(tmp_path, name):
    table = "One.\t一。\n".encode()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, gzip.compress(table) if name.endswith(".gz") else table)
        archive.writestr("_about.txt", "who made it")
        archive.writestr("__MACOSX/a.txt", b"\xff")
    assert sides(open_pairs(tmp_path / "a.zip")) == [("One.", "一。")]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme", "x")
    with pytest.raises(InputError, match=r"holds not one table of pairs \(none\); unpack it"):
        open_pairs(tmp_path / "b.zip")


def test_an_empty_side_is_left_out_and_noted(files):
    folder = files(**{"a.tsv": "One.\t一。\nTwo.\t\n"})
    source = open_pairs(folder / "a.tsv")
    assert sides(source) == [("One.", "一。")]
    assert source.notes == ["left out 1 pair with an empty side: a.tsv:2"]
    with pytest.raises(InputError, match="holds no pair of texts"):
        list(
            open_pairs([files(**{"b.en": "", "b.zh": ""}) / n for n in ("b.en", "b.zh")]).pairs(
                "all"
            )
        )


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("nowhere.tsv", {}, "there is no such file or folder"),
        ("nowhere", {"source_language": "en", "target_language": "zh"}, "no such file or folder"),
        (["a.en", "nowhere"], {}, "nowhere': there is no such file"),
        (["a.en", "a.en"], {}, "is given twice"),
        (["a.en", "a.tsv"], {}, "is a table; two paths are those of aligned files"),
        (["a.en"] * 3, {}, "3 paths were given; give one, or the two"),
        ("a.en", {}, "is one file of lines; give the aligned file too"),
        (".", {}, "is a folder; say with --source-language and --target-language"),
        (".", {"source_language": "en", "target_language": "fr"}, "holds no two files of one name"),
        ("sample", {"source_language": "zh", "target_language": "en"}, "is from en to zh"),
        ("a.tsv", {"encoding": "utf-9"}, "encoding 'utf-9' is unknown"),
    ],
)
def test_mistakes_are_told_in_one_line(files, monkeypatch, data, options, message):
    monkeypatch.chdir(files(**{"a.en": "One.\n", "a.tsv": "One.\t一。\n"}))
    with pytest.raises(InputError, match=message) as caught:
        open_pairs(data, **options)
    assert "\n" not in str(caught.value)


def test_the_sample():
    assert open_pairs("sample").parts == ("train", "validation", "test", "written")
