"""Class folders, in a folder and in archives, and what is left out of them."""

import gzip
import io
import tarfile
import zipfile

import pytest

from textlstm.data import open_source
from textlstm.errors import InputError

PARTS = {
    "train/pos/10_8.txt": "good",
    "train/pos/2_7.txt": "fine",
    "train/neg/0_1.txt": "bad",
    "test/pos/0_9.txt": "great",
    "test/neg/0_2.txt": "awful",
}
CLASSES = {"sport/1": "goal", "sport/2": "match", "art/1": "paint"}


def tar_bytes(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def make(place, kind, files, wrap=""):
    """Writes `files` as a folder or an archive and returns its path."""
    files = {wrap + name: text for name, text in files.items()}
    path = place / f"set.{kind}" if kind != "folder" else place / "set"
    if kind == "folder":
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        path.write_bytes(tar_bytes(files))
    return path


def pairs(source, part):
    return [(e.text, e.label) for e in source.examples(part)]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("好评", "utf-8"),  # a Mac's
        ("好评", "gb2312"),  # a Chinese Windows'
        ("（很）好 2", "gb2312"),
        ("été", "cp437"),  # that of DOS, which is the one that zip files say they hold
        ("Größe", "cp437"),
        ("compañía", "cp437"),  # two letters that GB2312 takes for one sign
    ],
)
def test_names_in_a_zip_that_does_not_say_what_they_are_written_in(tmp_path, name, encoding):
    raw = name.encode(encoding)
    files = {"A" * len(raw) + f"/{i}.txt": "x" for i in range(2)} | {"bad/1.txt": "y"}
    path = make(tmp_path, "zip", files)  # names of ASCII letters: no flag says that it is UTF-8
    path.write_bytes(path.read_bytes().replace(b"A" * len(raw), raw))
    assert {e.label for e in open_source(path).examples("all")} == {"bad", name}


@pytest.mark.parametrize("wrap", ["", "aclImdb/", "./a/b/"])
@pytest.mark.parametrize("kind", ["folder", "tgz", "zip"])
def test_parts_and_classes(tmp_path, kind, wrap):
    source = open_source(make(tmp_path, kind, PARTS, wrap))
    assert source.name == "set"
    assert source.parts == ("train", "test")
    assert sorted(pairs(source, "train")) == [("bad", "neg"), ("fine", "pos"), ("good", "pos")]
    assert sorted(pairs(source, "test")) == [("awful", "neg"), ("great", "pos")]
    assert source.notes == []


@pytest.mark.parametrize("kind", ["folder", "tar.gz", "zip"])
def test_classes_without_parts(tmp_path, kind):
    source = open_source(make(tmp_path, kind, CLASSES, "news/"))
    assert source.parts == ("all",)
    assert sorted(pairs(source, "all")) == [("goal", "sport"), ("match", "sport"), ("paint", "art")]


def test_order_is_sorted_in_folders_and_kept_in_archives(tmp_path):
    folder = open_source(make(tmp_path, "folder", PARTS))
    assert [e.where for e in folder.examples("train")] == [
        "set/train/neg/0_1.txt",
        "set/train/pos/10_8.txt",
        "set/train/pos/2_7.txt",
    ]
    archive = open_source(make(tmp_path, "tgz", PARTS))
    assert [e.where for e in archive.examples("train")] == [
        "set.tgz/train/pos/10_8.txt",
        "set.tgz/train/pos/2_7.txt",
        "set.tgz/train/neg/0_1.txt",
    ]


@pytest.mark.parametrize("name", ["dev", "val", "valid", "validation", "Validation"])
def test_names_of_the_validation_part(tmp_path, name):
    files = PARTS | {f"{name}/pos/1": "nice", f"{name}/neg/1": "poor"}
    source = open_source(make(tmp_path, "folder", files))
    assert source.parts == ("train", "validation", "test")
    assert pairs(source, "validation") == [("poor", "neg"), ("nice", "pos")]


def test_train_alone_is_not_divided(tmp_path):
    files = {name: text for name, text in PARTS.items() if name.startswith("train")}
    source = open_source(make(tmp_path, "folder", files))
    assert source.parts == ("all",)
    assert len(pairs(source, "all")) == 3


@pytest.mark.parametrize("kind", ["folder", "tgz", "zip"])
def test_class_without_test_is_left_out_unread_with_a_note(tmp_path, kind):
    # Were the contents read, the byte would be an error.
    files = PARTS | {"train/unsup/0_0.txt": b"\xff", "train/unsup/1_0.txt": b"\xff"}
    source = open_source(make(tmp_path, kind, files))
    assert len(pairs(source, "train")) == 3
    assert source.notes == ["left out the 2 files of train/unsup: test has no class 'unsup'"]


def test_folder_of_archives_that_together_hold_the_set(tmp_path):
    labelled = {f"aclImdb/{name}": text for name, text in PARTS.items()}
    extra = {"aclImdb/README": "about", "aclImdb/train/urls.txt": "http"}
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb/labelled.tar.gz").write_bytes(tar_bytes(labelled | extra))
    unlabelled = {"aclImdb/train/unsup/0_0.txt": "so so", "aclImdb/train/unsup/1_0.txt": "hm"}
    (tmp_path / "imdb/unsup.tgz").write_bytes(tar_bytes(unlabelled))
    source = open_source(tmp_path / "imdb")
    assert (source.name, source.parts) == ("imdb", ("train", "test"))
    assert len(pairs(source, "train")) == 3
    assert len(pairs(source, "test")) == 2
    assert source.notes == [
        "left out the 2 files of aclImdb/train/unsup: test has no class 'unsup'",
        "left out 2 files or folders beside the set: aclImdb/ (1 file), aclImdb/train/ (1 file)",
    ]


def test_archive_beside_its_unpacked_files_is_not_read_twice(tmp_path):
    path = make(tmp_path, "folder", PARTS)
    (path / "set.tgz").write_bytes(tar_bytes(PARTS))
    source = open_source(path)
    assert len(pairs(source, "train")) == 3
    assert "set/set.tgz" in source.notes[0]


def test_hidden_files_are_no_texts(tmp_path):
    files = PARTS | {"train/pos/.DS_Store": b"\xff", "__MACOSX/train/pos/x": b"\xff"}
    source = open_source(make(tmp_path, "zip", files))
    assert len(pairs(source, "train")) == 3
    assert "2 files" in source.notes[0] and ".DS_Store" in source.notes[0]


@pytest.mark.parametrize("kind", ["folder", "tgz", "zip"])
def test_compressed_texts_are_decompressed(tmp_path, kind):
    files = {f"{name}.gz": gzip.compress(text.encode()) for name, text in CLASSES.items()}
    source = open_source(make(tmp_path, kind, files))
    assert sorted(pairs(source, "all")) == [("goal", "sport"), ("match", "sport"), ("paint", "art")]


def test_hidden_archives_are_not_opened(tmp_path):
    make(tmp_path, "zip", CLASSES)
    (tmp_path / "._set.zip").write_bytes(b"\xff")
    assert len(pairs(open_source(tmp_path), "all")) == 3


def test_table_beside_class_folders_is_noted(tmp_path):
    source = open_source(make(tmp_path, "folder", PARTS | {"labels.csv": "a,b\n"}))
    assert len(pairs(source, "train")) == 3
    assert "set/labels.csv" in source.notes[0]


def test_empty_file_is_left_out_with_a_note(tmp_path):
    source = open_source(make(tmp_path, "folder", PARTS | {"train/pos/3.txt": "\ufeff \n"}))
    assert len(pairs(source, "train")) == 3
    assert source.notes == ["left out 1 row with an empty text: set/train/pos/3.txt"]


@pytest.mark.parametrize("kind", ["folder", "tgz", "zip"])
def test_undecodable_file_is_named(tmp_path, kind):
    files = PARTS | {"test/pos/1.txt": "é".encode("latin-1")}
    path = make(tmp_path, kind, files)
    with pytest.raises(InputError, match=r"test/pos/1\.txt: byte 0xE9 .*--encoding"):
        pairs(open_source(path), "test")
    assert ("é", "pos") in pairs(open_source(path, encoding="windows-1252"), "test")


# Every mistake: the files, and what the message must name.
MISTAKES = {
    "one class": ({"pos/1": "a", "pos/2": "b"}, ["set", "two class folders", "pos"]),
    "no texts": ({}, ["set", "no class folders", "pos/ and neg/", ".jsonl", "nothing"]),
    "loose files": ({"a.txt": "a", "b.txt": "b"}, ["no class folders", "set/a.txt, set/b.txt"]),
    "class only in test": (PARTS | {"test/odd/1": "x"}, ["'odd'", "test", "not in train"]),
    "two validations": (
        PARTS | {"dev/pos/1": "x", "val/pos/1": "x"},
        ["val", "dev", "validation"],
    ),
    "no class in common": (
        {"train/a/1": "x", "train/b/1": "x", "test/b/1": "x"},
        ["two class folders", "train/b"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(tmp_path, mistake):
    files, words = MISTAKES[mistake]
    (tmp_path / "set").mkdir()
    path = make(tmp_path, "folder", files)
    with pytest.raises(InputError) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("settings", [{"header": True}, {"label_separator": "|"}])
def test_settings_of_tables_are_refused(tmp_path, settings):
    path = make(tmp_path, "folder", PARTS)
    with pytest.raises(InputError, match="class folders have no .*leave out --"):
        open_source(path, **settings)


@pytest.mark.parametrize("kind", ["tgz", "zip"])
def test_damaged_archive_is_named(tmp_path, kind):
    path = make(tmp_path, kind, {f"{c}/{i}": f"{i} " * 500 for c in "ab" for i in range(50)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"set\.{kind}: cannot be read"):
        pairs(open_source(path), "all")


def test_empty_archive(tmp_path):
    path = tmp_path / "set.tgz"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"set\.tgz"):
        open_source(path)
