"""The models that ship answer as their cards say, with TensorFlow alone and as Keras models."""

import functools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import textlstm

MODELS = Path(__file__).resolve().parents[1] / "models"
ANSWERS = {
    "sentiment-en": {
        "negative": [
            "A dull, lifeless film with wooden acting and a plot that goes nowhere.",
            "What a waste of two hours. I want my money back.",
            "The script is terrible and the jokes are not funny at all.",
        ],
        "positive": [
            "A wonderful story, beautifully acted. I loved every minute of it.",
            "One of the best films of the year: moving, funny and superbly directed.",
            "I was surprised how good this was. Highly recommended!",
        ],
    },
    "sentiment-zh": {
        "negative": [
            "房间又脏又小，服务态度很差，再也不会来了。",
            "等了两个小时才送到，菜都凉了，味道也很差。",
            "质量太差了，用了两天就坏了，不要买。",
        ],
        "positive": [
            "酒店环境很好，房间干净，服务员非常热情，下次还会来。",
            "送餐很快，味道很好，分量也足，推荐！",
            "纸质很好，没有味道，价格也便宜，很满意。",
        ],
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_alike_with_tensorflow_alone_and_as_a_keras_model(name):
    texts = [text for texts in ANSWERS[name].values() for text in texts]
    labels = [label for label, texts in ANSWERS[name].items() for _ in texts]
    served = tf.saved_model.load(str(MODELS / name / "1")).signatures["serving_default"]
    answer = served(text=tf.constant(texts))
    assert [label.decode() for label in answer["label"].numpy()] == labels
    model = textlstm.load(MODELS / name)
    probabilities = model.predict(texts, verbose=0)
    np.testing.assert_allclose(probabilities, answer["probabilities"], atol=1e-5)


TRANSLATIONS = {
    "translation-en-de": {
        "A man is riding a bike down the street.": "Ein Mann fährt auf einem Fahrrad die Straße "
        "entlang.",
        "Two children are playing with a red ball in the park.": "Zwei Kinder spielen im Park mit "
        "einem roten Ball.",
        "A woman in a blue dress sells flowers at the market.": "Eine Frau in einem blauen Kleid "
        "verkauft Blumen auf dem Markt.",
    },
    "translation-en-zh": {
        "Where is the train station?": "火车站在哪里？",
        "If it rains tomorrow, we will stay at home.": "如果明天下雨，我们就待在家里。",
        "Two children are playing with a red ball in the park.": "两个孩子在公园里玩红球。",
    },
}
WRITERS = {
    "generation-poetry-zh": ["五言四句《", "七言八句《秋夜》\n"],
    "generation-shakespeare": ["ROMEO:\n", "Good morrow, "],
}
SHIPPED = [*ANSWERS, *TRANSLATIONS, *WRITERS]


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translates_alike_with_tensorflow_alone_and_as_a_keras_model(name):
    texts = list(TRANSLATIONS[name])
    served = tf.saved_model.load(str(MODELS / name / "1")).signatures["serving_default"]
    answer = served(text=tf.constant(texts))
    translations = [text.decode() for text in answer["translation"].numpy()]
    assert translations == list(TRANSLATIONS[name].values())
    assert textlstm.load(MODELS / name).translate(texts) == translations


@pytest.fixture(scope="module")
def load():
    """Loads the twin of a folder, once."""
    return functools.cache(lambda name: textlstm.load(MODELS / name))


@pytest.mark.parametrize("name", WRITERS)
def test_writes_alike_with_tensorflow_alone_and_as_a_keras_model(name, load):
    prompts = WRITERS[name]
    options = {"max_tokens": 150, "temperature": 0.8, "top_p": 0.9}
    served = tf.saved_model.load(str(MODELS / name / "1")).signatures["generate"]
    answer = served(
        prompt=tf.constant(prompts),
        seed=tf.constant(7),
        **{key: tf.constant(value) for key, value in options.items()},
        top_k=tf.constant(0),
    )
    written = load(name).generate(prompts, seed=7, **options)
    assert [text.decode() for text in answer["text"].numpy()] == written


def test_poems_keep_the_form_that_is_asked_for(load):
    sys.path.insert(0, str(MODELS.parent / "recipes"))
    from poems import form_of

    model = load("generation-poetry-zh")
    forms = [measure + length for measure in ("五言", "七言") for length in ("四句", "八句")] * 5
    options = {"max_tokens": 150, "temperature": 0.8, "top_p": 0.95, "seed": 0}
    written = model.generate([f"{form}《月》\n" for form in forms], **options)
    kept = [form_of(text) == form for form, text in zip(forms, written)]
    assert np.mean(kept) >= 0.7  # of many more, the card says how many


@pytest.mark.parametrize("name", SHIPPED)
def test_the_card_tells_the_scores_that_were_measured(name):
    about = json.loads((MODELS / name / "1" / "assets.extra" / "textlstm.json").read_text("utf-8"))
    card = (MODELS / name / "README.md").read_text("utf-8")
    assert (MODELS / name / "1" / "assets.extra" / "README.md").read_text("utf-8") == card
    assert about["scores"]
    for heading in ("Scores", "Data", "Terms", "Command", "Limits"):
        assert f"\n## {heading}\n" in card
    for metric, score in about["scores"].items():
        figure = f"{score:.4f}" if score < 10 else f"{score:.2f}"
        metric = metric.replace("|", r"\|")
        assert f"| {metric} | {figure} |" in card


def test_no_folder_is_over_40_megabytes():
    for name in SHIPPED:
        size = sum(path.stat().st_size for path in (MODELS / name).rglob("*") if path.is_file())
        assert size <= 40e6, (name, size)
