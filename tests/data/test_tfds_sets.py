"""TFDS sets that lie prepared in a folder, and what is said when they do not."""

import json
import socket
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from textlstm.data import open_source, split_examples, tfds_builders
from textlstm.errors import InputError

TEXT = tfds.features.Text()
SENTIMENT = tfds.features.ClassLabel(names=["negative", "positive"])


class MadeReviews(tfds.core.GeneratorBasedBuilder):
    """A set whose code is there: it is prepared when it is first opened, and downloads nothing."""

    VERSION = tfds.core.Version("2.1.0")

    def _info(self):
        features = {"body": TEXT, "review": TEXT, "stars": tfds.features.Scalar(np.int64)}
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("body", "stars"),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for row in range(4):
            yield row, {"body": f"text {row}", "review": "no", "stars": row % 2 + 4}


def store(data_dir, name, features, splits, **settings):
    """Prepares a set of given splits, each a list of rows; a row is a tuple of features."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=settings.pop("version", "1.0.0"),
        features=tfds.features.FeaturesDict(features),
        split_datasets={
            split: [(n, dict(zip(features, row, strict=True))) for n, row in enumerate(rows)]
            for split, rows in splits.items()
        },
        data_dir=data_dir,
        disable_shuffling=True,
        **settings,
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("tensorflow_datasets")
    labelled = {"text": TEXT, "label": SENTIMENT}
    reviews = {
        "train": [("bad", 0), ("很好", 1), (" ", 1), ("good", 1)],
        "test": [("poor", 0), ("fine", 1)],
        "unsupervised": [("so so", -1)],
    }
    store(data_dir, "reviews", labelled, reviews, config="plain")
    store(data_dir, "reviews", labelled, {"train": [("old", 0)]}, config="plain", version="0.9.0")
    store(data_dir, "few", labelled, {"train": [("bad", 0), ("good", 1), ("what", -1)]})
    pair = [("a", 0), ("b", 1)]
    store(data_dir, "glued", labelled, {"train": pair, "dev": pair}, config="one")
    store(data_dir, "glued", labelled, {"train": pair, "test": [("c", -1)] * 3}, config="two")
    store(
        data_dir,
        "numbers",
        {"id": TEXT, "Sentence": TEXT, "category": tfds.features.Scalar(np.int32)},
        {
            "train": [("1", "a", -1), ("2", "b", 1)],
            "valid": [("3", "c", 1)],
            "odd": [("4", "d", 1)],
        },
    )
    store(
        data_dir,
        "nested",
        {"data": {"body": TEXT, "kind": tfds.features.Tensor(shape=(), dtype=np.str_)}},
        {"all_of_it": [({"body": "a", "kind": " x "},), ({"body": "b", "kind": "y"},)]},
    )
    tags = tfds.features.Sequence(tfds.features.ClassLabel(names=["comedy", "drama", "war"]))
    films = {"train": [("a", [1, 0]), ("b", []), ("c", [2, 2])]}
    store(data_dir, "films", {"text": TEXT, "label": tags, "score": np.float32}, {
        split: [(*row, 0.5) for row in rows] for split, rows in films.items()
    })  # fmt: skip
    return data_dir


@pytest.fixture(autouse=True)
def environment(data_dir, monkeypatch):
    """TFDS finds the prepared sets, and no machine can be reached."""

    def refuse(address, timeout):
        raise ConnectionRefusedError(address)

    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setattr(socket, "create_connection", refuse)


def pairs(source, part):
    return [(e.text, e.label) for e in source.examples(part)]


def fails(data, **settings):
    with pytest.raises(InputError) as caught:
        source = open_source(data, **settings)
        list(source.examples(source.parts[0]))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("data", ["tfds:reviews/plain", "tfds:reviews", "tfds:reviews:1.*.*"])
def test_parts_labels_and_what_is_left_out(data):
    source = open_source(data)
    assert source.parts == ("train", "test")
    assert pairs(source, "train") == [
        ("bad", "negative"),
        ("很好", "positive"),
        ("good", "positive"),
    ]
    assert pairs(source, "test") == [("poor", "negative"), ("fine", "positive")]
    assert source.notes == [
        "left out the 1 row of the split 'unsupervised': they have no labels",
        f"left out 1 row with an empty text: {data}/train:3",
    ]
    assert source.multi_label is False
    assert source.description == "reviews/plain/1.0.0 of TensorFlow Datasets"


def test_versions_and_names_of_sources():
    old = open_source("tfds:reviews/plain:0.9.0")
    assert next(old.examples("all")).text == "old"
    assert old.name == "reviews-plain-0.9.0"
    assert open_source("tfds:few").name == "few"


def test_split_without_labels_is_left_out_whatever_its_name():
    source = open_source("tfds:glued/two")
    assert source.parts == ("all",)
    assert source.notes == ["left out the 3 rows of the split 'test': they have no labels"]
    assert open_source("tfds:glued/one").parts == ("train", "validation")


def test_usual_names_and_numbers_as_labels():
    source = open_source("tfds:numbers")
    assert source.parts == ("train", "validation")
    assert pairs(source, "train") == [("a", "-1"), ("b", "1")]
    assert source.notes == [
        "left out the split 'odd': it is called none of train, validation, test"
    ]


def test_features_by_name_inside_others_and_strings_as_labels():
    source = open_source("tfds:nested", text_column="data/body", label_column="data/kind")
    assert pairs(source, "all") == [("a", "x"), ("b", "y")]


def test_lists_of_labels():
    source = open_source("tfds:films")
    assert pairs(source, "all") == [("a", ("drama", "comedy")), ("b", ()), ("c", ("war",))]
    split = split_examples(source, test_share=0, validation_share=0)
    assert split.multi_label and split.labels == ("comedy", "drama", "war")


def test_set_with_code_is_prepared_and_names_its_columns(data_dir):
    for _ in range(2):
        source = open_source("tfds:made_reviews")
        assert sorted(pairs(source, "all"))[:2] == [("text 0", "4"), ("text 1", "5")]
        assert (data_dir / "made_reviews" / "2.1.0" / "dataset_info.json").is_file()


def test_array_record_files(tmp_path, monkeypatch):
    pytest.importorskip("array_record")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    rows = {"train": [("bad", 0), ("good", 1)]}
    store(tmp_path, "records", {"text": TEXT, "label": SENTIMENT}, rows, file_format="array_record")
    assert pairs(open_source("tfds:records"), "all") == [("bad", "negative"), ("good", "positive")]


def test_array_record_files_without_their_reader(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    store(tmp_path, "records", {"text": TEXT, "label": SENTIMENT}, {"train": [("a", 0), ("b", 1)]})
    # Only a machine with the package could write such files, so the set just says that it has them.
    about = tmp_path / "records" / "1.0.0" / "dataset_info.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"fileFormat": "array_record"}))
    monkeypatch.setitem(sys.modules, "array_record.python.array_record_data_source", None)
    message = fails("tfds:records")
    assert "tfds:records: is prepared as array_record files" in message
    assert "pip install array_record" in message


def test_strings_are_decoded_as_they_are_encoded(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    label = tfds.features.Sequence(TEXT)
    rows = [("好".encode("gb18030"), ["评".encode("gb18030")]), (b"bad", [b"b", b"a"])]
    store(tmp_path, "old", {"text": TEXT, "label": label}, {"train": rows})
    source = open_source("tfds:old", encoding="gb18030")
    assert pairs(source, "all") == [("好", ("评",)), ("bad", ("b", "a"))]
    assert "tfds:old/train:1: byte 0xBA at position 1 is not utf-8" in fails("tfds:old")
    rows = [("a", ["评".encode("gb18030")])]
    store(tmp_path, "label", {"text": TEXT, "label": label}, {"train": rows})
    assert "tfds:label/train:1: byte 0xC6" in fails("tfds:label")


def test_joined_with_another_source(tmp_path):
    (tmp_path / "hotel.csv").write_text("text,label\nclean,positive\nloud,negative\n")
    source = open_source(["tfds:glued/two", tmp_path / "hotel.csv"])
    assert source.name == "glued-two+hotel"
    assert [e.source for e in source.examples("all")] == ["glued-two"] * 2 + ["hotel"] * 2


# What is asked for, and what the message must name.
MISTAKES = {
    "no name": ("tfds:", {}, ["tfds:NAME/CONFIG", "tfds:glue/sst2"]),
    "unknown set": ("tfds:imdb", {}, ["no set 'imdb'", "try imdb_reviews"]),
    "unknown set, one near in the folder": ("tfds:reviewss", {}, ["no set", "try reviews"]),
    "unknown configuration": ("tfds:glue/sst3", {}, ["no configuration 'sst3'", "try sst2"]),
    "unknown version": ("tfds:glue/sst2:9.0.0", {}, ["9.0.0", "2.0.0"]),
    "version not prepared": ("tfds:few:2.0.0", {}, ["not there", "few/1.0.0"]),
    "two configurations": ("tfds:glued:2.0.0", {}, ["glued/one/1.0.0, glued/two/1.0.0"]),
    "row without label": ("tfds:few", {}, ["tfds:few/train:3", "no label", "--label-column"]),
    "no usual name": ("tfds:nested", {}, ["'data/body', 'data/kind'", "--text-column"]),
    "no such feature": ("tfds:few", {"text_column": "body"}, ["'body'", "'label', 'text'"]),
    "text is no text": (
        "tfds:films",
        {"text_column": "score"},
        ["'score' is no text", "--text-column", "these: text"],
    ),
    "label is a measure": (
        "tfds:films",
        {"label_column": "score"},
        ["'score' is no label", "--label-column", "these: label, text"],
    ),
    "header": ("tfds:few", {"header": True}, ["tfds:few", "no header row", "--header"]),
    "separator": ("tfds:few", {"label_separator": "|"}, ["tfds:few", "--label-separator"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    data, settings, words = MISTAKES[mistake]
    message = fails(data, **settings)
    assert all(word in message for word in words), message


def test_damaged_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    store(tmp_path, "broken", {"text": TEXT, "label": SENTIMENT}, {"train": [("a", 0), ("b", 1)]})
    (records,) = (tmp_path / "broken" / "1.0.0").glob("*.tfrecord*")
    records.write_bytes(records.read_bytes()[:-9])
    message = fails("tfds:broken")
    assert "tfds:broken/train" in message and str(tmp_path / "broken" / "1.0.0") in message
    (tmp_path / "broken" / "1.0.0" / "features.json").write_text("{")
    assert "features" not in fails("tfds:broken").replace("features.json", "")


def test_without_a_network_it_is_said_at_once_what_to_do(data_dir):
    message = fails("tfds:imdb_reviews")
    assert f"not prepared in {data_dir}/imdb_reviews " in message
    assert "ai.stanford.edu cannot be reached" in message
    assert f"aclImdb_v1.tar.gz) into {data_dir}/downloads/manual" in message


def test_archive_beside_it_is_taken_without_a_network(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "aclImdb_v1.tar.gz").write_bytes(b"not the archive")
    # TFDS takes it, and finds that it is another file.
    message = fails("tfds:imdb_reviews")
    assert "could not be prepared" in message and "aclImdb_v1.tar.gz" in message


def test_unknown_features_stop_before_the_download(monkeypatch):
    monkeypatch.setattr(tfds_builders, "_answers", lambda urls: pytest.fail("asked the network"))
    assert "'comment_text'" in fails("tfds:goemotions")


URLS = {"http://one.example/a.zip": None, "https://two.example:99/b": None}


def test_one_machine_that_answers_is_enough(monkeypatch):
    asked = set()

    def connect(address, timeout):
        asked.add(address)
        if address[0] == "two.example":
            return SimpleNamespace(close=lambda: None)
        raise ConnectionRefusedError(address)

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(tfds_builders, "getproxies", dict)
    assert tfds_builders._answers(URLS)
    assert asked == {("one.example", 80), ("two.example", 99)}


def test_a_look_up_that_hangs_is_not_waited_for(monkeypatch):
    over = threading.Event()

    def hang(address, timeout):
        over.wait(30)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    assert not tfds_builders._answers(URLS, seconds=0.05)
    assert not over.is_set()
    over.set()


@pytest.mark.parametrize("proxy", ["http://gate.example:3128", "gate.example:3128"])
def test_a_proxy_is_asked_instead(monkeypatch, proxy):
    monkeypatch.setattr(tfds_builders, "getproxies", lambda: {"http": proxy})
    assert tfds_builders._first_hop("http://one.example/a.zip") == ("gate.example", 3128)
    assert tfds_builders._first_hop("https://two.example/b") == ("two.example", 443)
