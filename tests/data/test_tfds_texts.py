"""Running text of TFDS sets that lie prepared in a folder."""

import pytest
import tensorflow_datasets as tfds

from textlstm import InputError, open_texts


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("tensorflow_datasets")
    text, label = tfds.features.Text(), tfds.features.ClassLabel(names=["neg", "pos"])
    whole = {part: [{"text": f"All of {part}."}] for part in ("train", "validation", "test")}
    store(data_dir, "tiny_play", {"text": text}, whole)
    reviews = {
        "unsupervised": [{"text": "Unsaid.", "label": -1}],
        "train": [{"text": "Good.", "label": 1}, {"text": "", "label": 0}],
        "extra": [{"text": "More.", "label": 1}],
    }
    store(data_dir, "reviews", {"text": text, "label": label}, reviews)
    store(
        data_dir, "poems", {"title": text, "poem": text}, {"whole": [{"title": "A", "poem": "B"}]}
    )
    return data_dir


def store(data_dir, name, features, splits):
    """Prepares a set in TFDS's own format."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(rows)) for split, rows in splits.items()},
        data_dir=data_dir,
        disable_shuffling=True,
    )


@pytest.fixture(autouse=True)
def in_data_dir(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


def rows(source, part):
    return [(row.text, row.where) for row in source.texts(part)]


def test_a_set_of_one_text_a_split():
    source = open_texts("tfds:tiny_play")
    assert source.name == "tiny_play" and source.parts == ("train", "validation", "test")
    assert rows(source, "test") == [("All of test.", "tfds:tiny_play/test:1")]


def test_texts_without_labels_are_trained_on_too():
    source = open_texts("tfds:reviews")
    assert source.parts == ("train",)
    assert rows(source, "train") == [
        ("Good.", "tfds:reviews/train:1"),
        ("Unsaid.", "tfds:reviews/unsupervised:1"),
    ]
    assert source.notes == [
        "left out the split 'extra': it is called none of train, validation, test",
        "left out 1 text with nothing in it: tfds:reviews/train:2",
    ]


def test_a_feature_may_be_named():
    assert rows(open_texts("tfds:poems", text_column="poem"), "all")[0][0] == "B"
    with pytest.raises(InputError, match="not said; give --text-column one of these: poem, title"):
        open_texts("tfds:poems")
    with pytest.raises(InputError, match="'line' is no text; give --text-column one of these"):
        open_texts("tfds:poems", text_column="line")
