"""Translation sets of TFDS that lie prepared in a folder."""

import json

import pytest
import tensorflow_datasets as tfds

from textlstm import InputError
from textlstm.data import open_pairs, split_pairs


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("tensorflow_datasets")
    languages = tfds.features.Translation(languages=["en", "zh"])
    rows = [{"en": "One.", "zh": "一。"}, {"en": "", "zh": "二。"}, {"en": "Three.", "zh": "三。"}]
    store(data_dir, "plain", languages, {"train": rows, "test": rows[2:]}, ("en", "zh"))
    store(data_dir, "twice", languages, {"train": rows, "dev": rows, "val": rows})
    store(data_dir, "single", languages, {"all_rows": rows})
    nested = tfds.features.FeaturesDict(
        {"id": tfds.features.Text(), "translation": tfds.features.FeaturesDict(languages)}
    )
    store(data_dir, "nested", nested, {"train": [{"id": "1", "translation": rows[0]}]})
    return data_dir


def store(data_dir, name, features, splits, supervised_keys=None):
    """Prepares a set in TFDS's own format."""
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version="1.0.0",
        features=features,
        split_datasets={split: list(enumerate(rows)) for split, rows in splits.items()},
        data_dir=data_dir,
        disable_shuffling=True,
    )
    if supervised_keys:
        path = builder.data_path / "dataset_info.json"
        items = [{"featureKey": key} for key in supervised_keys]
        about = json.loads(path.read_text()) | {"supervisedKeys": {"tuple": {"items": items}}}
        path.write_text(json.dumps(about))


@pytest.fixture(autouse=True)
def in_data_dir(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))


def sides(source, part):
    return [(pair.source, pair.target, pair.where) for pair in source.pairs(part)]


def test_the_set_s_own_direction_and_parts():
    source = open_pairs("tfds:plain")
    assert source.name == "plain" and source.parts == ("train", "test")
    assert sides(source, "train") == [
        ("One.", "一。", "tfds:plain/train:1"),
        ("Three.", "三。", "tfds:plain/train:3"),
    ]
    assert source.notes == ["left out 1 pair with an empty side: tfds:plain/train:2"]
    assert split_pairs(source, validation_size=1).counts["test"] == 1


def test_the_other_direction_and_a_single_split():
    source = open_pairs("tfds:single", source_language="zh", target_language="en")
    assert source.parts == ("all",)
    assert [pair[:2] for pair in sides(source, "all")] == [("一。", "One."), ("三。", "Three.")]


def test_languages_inside_another_feature():
    source = open_pairs("tfds:nested", source_language="en", target_language="zh")
    assert [pair[:2] for pair in sides(source, "all")] == [("One.", "一。")]


@pytest.mark.parametrize(
    "data, languages, message",
    [
        ("tfds:single", {}, "which feature --source-language means is not said; .*: en, zh"),
        ("tfds:plain", {"target_language": "de"}, "--target-language means 'de' is none of its"),
        ("tfds:plain", {"target_language": "en"}, "both sides are 'en'"),
        (
            "tfds:twice",
            {"source_language": "en", "target_language": "zh"},
            "twice: both 'dev' and 'val' could be the validation part; save",
        ),
        ("tfds:plane", {}, "no set 'plane'.*try plain"),
    ],
)
def test_mistakes_are_said(data, languages, message):
    with pytest.raises(InputError, match=message):
        open_pairs(data, **languages)
