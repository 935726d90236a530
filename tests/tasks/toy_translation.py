"""A toy language pair: the translation of letters says them in capitals, the last one first."""

import keras
import numpy as np

import textlstm

LETTERS = "abcdefgh"


def pairs(count, seed=0, longest=5):
    """Returns texts such as "a c b" and their translations, "B C A"."""
    rng = np.random.default_rng(seed)
    rows = [rng.choice(list(LETTERS), rng.integers(1, longest + 1)) for _ in range(count)]
    return [" ".join(row) for row in rows], [" ".join(row[::-1]).upper() for row in rows]


def make_translator(shared=False, seed=0, **options):
    """Makes a small translator of the toy pair."""
    sides = pairs(200)
    options = {"units": 16, "embedding_dim": 12, "max_tokens": 16, **options}
    if shared:
        texts = [*sides[0], *sides[1]]
        tokenizers = [textlstm.SentencePieceTokenizer.train(texts, 40, "char")]
    else:
        tokenizers = [textlstm.SentencePieceTokenizer.train(side, 20, "char") for side in sides]
    keras.utils.set_random_seed(seed)
    return textlstm.Translator(*tokenizers, **options)
