"""Small models to look into, and nothing in them that takes long to build."""

import keras
import pytest

from textlstm import LanguageModel, SentencePieceTokenizer, TextClassifier, Translator

WORDS = ["good", "bad", "paper", "not", "dear", "so", "is", "the", "<b>&"]


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer of nine words, one of which would be markup."""
    return SentencePieceTokenizer.of_words(WORDS)


@pytest.fixture
def make_classifier(tokenizer):
    """Makes a classifier of the labels "bad" and "good"."""

    def make(**options):
        keras.utils.set_random_seed(0)
        options = {"units": 5, "embedding_dim": 4, **options}
        return TextClassifier(tokenizer, ["bad", "good"], **options)

    return make


@pytest.fixture
def make_language_model(tokenizer):
    """Makes a language model of two layers."""

    def make(**options):
        keras.utils.set_random_seed(0)
        return LanguageModel(tokenizer, **{"units": 5, "embedding_dim": 4, **options})

    return make


@pytest.fixture
def make_translator(tokenizer):
    """Makes a translator of two layers, both sides of one language."""

    def make(**options):
        keras.utils.set_random_seed(0)
        options = {"units": 6, "embedding_dim": 4, "num_layers": 2, "max_tokens": 12, **options}
        return Translator(tokenizer, **options)

    return make
