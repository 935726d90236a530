"""Models and texts for the tokenizer tests, all made here."""

import random
from functools import cached_property

import numpy as np
import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from textlstm.tokenizers import SentencePieceTokenizer

ENGLISH = (
    "the a one small old river mountain teacher student letter morning evening reads writes "
    "walks sings forgets remembers slowly quickly unbelievably tokenization internationally "
    "happiness it's don't 1984 3.14 e-mail and or but because"
).split()
CHINESE = "春眠不覺曉處聞啼鳥夜來風雨聲花落知多少我们今天学习语言模型，很有意思。老师说：好！"
ODD_PARTS = [
    "  ", "\t", "\n", "\r\n", "\0", "\x01", "\x7f", "\u00a0", "\u3000", "\u200b", "\u200d",
    "\u2581", "\ufffd", "\ufeff", "e\u0301", "a\u0300\u0323", "ｶﾞ", "Ａｂ１", "ﬁ", "①", "ﷺ", "㍿",
    "\u00a8", "각", "\u1100\u1161\u11a8", "שלום", "مرحبا", "👩\u200d👩\u200d👧", "🏽", "\U0010ffff",
    "<unk>", "<s>", "</s>", "<0x41>", "<br />", "a b", "▅",
]  # fmt: skip
MALFORMED_PARTS = [
    b"\xff", b"\x80", b"\xc0\x80", b"\xc3", b"\xe4\xbd", b"\xed\xa0\x80", b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe0\x80\xaf",
]  # fmt: skip
SYMBOLS = ["<br />", "ing", "the", "  ", "a b", "▁▁", "鳥夜"]
VARIANTS = {
    "unigram": {},
    "unigram_bytes": {"byte_fallback": True, "vocabulary_size": 700},
    "unigram_identity_keep": {
        "normalization": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
    },
    "unigram_symbols": {"normalization": "nfkc", "user_defined_symbols": SYMBOLS},
    "unigram_nosplit": {"split_by_whitespace": False, "split_by_unicode_script": False},
    "unigram_suffix": {"treat_whitespace_as_suffix": True},
    "bpe": {"model_type": "bpe"},
    "bpe_bytes": {"model_type": "bpe", "byte_fallback": True, "vocabulary_size": 700},
    "bpe_lower": {"model_type": "bpe", "normalization": "nmt_nfkc_cf"},
    "bpe_symbols": {"model_type": "bpe", "user_defined_symbols": SYMBOLS},
    "bpe_suffix_keep": {
        "model_type": "bpe",
        "treat_whitespace_as_suffix": True,
        "remove_extra_whitespaces": False,
    },
    "bpe_nodummy": {"model_type": "bpe", "add_dummy_prefix": False},
    "char": {"model_type": "char"},
    "char_bytes": {"model_type": "char", "byte_fallback": True, "vocabulary_size": 700},
    "char_symbols": {"model_type": "char", "user_defined_symbols": SYMBOLS},
}


def english_text(rng: random.Random, words: int) -> str:
    """Makes a sentence of words in any order."""
    return " ".join(rng.choice(ENGLISH) for _ in range(words))


def chinese_text(rng: random.Random, characters: int) -> str:
    """Makes a run of Chinese out of short stretches of `CHINESE`."""
    parts = []
    while characters > 0:
        start, size = rng.randrange(len(CHINESE)), rng.randint(1, 5)
        parts.append(CHINESE[start : start + size])
        characters -= size
    return "".join(parts)


def training_texts(count: int = 300) -> list[str]:
    """Makes the texts that the test models are trained on."""
    rng = random.Random(0)
    return [
        english_text(rng, rng.randint(2, 12)) if i % 2 else chinese_text(rng, rng.randint(3, 30))
        for i in range(count)
    ]


def odd_texts(count: int, seed: int) -> list[bytes]:
    """Makes texts that mix languages, odd characters and malformed bytes."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(0, 6)):
            kind = rng.random()
            if kind < 0.35:
                parts.append(english_text(rng, rng.randint(1, 5)).encode())
            elif kind < 0.55:
                parts.append(chinese_text(rng, rng.randint(1, 8)).encode())
            elif kind < 0.85:
                parts.append(rng.choice(ODD_PARTS).encode())
            else:
                parts.append(rng.choice(MALFORMED_PARTS))
        texts.append(rng.choice([b"", b" "]).join(parts))
    return texts


class Pair:
    """A tokenizer beside its graph, compiled or not, and the package's own processor."""

    def __init__(self, tokenizer: SentencePieceTokenizer, compiled: bool = True):
        self.tokenizer = tokenizer
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer._model)
        self.compiled = compiled

    @property
    def graph(self):
        return self.tokenizer.graph

    @cached_property
    def encode(self):
        import tensorflow as tf

        return self._run(self.graph.encode, tf.TensorSpec([None], tf.string))

    @cached_property
    def decode(self):
        import tensorflow as tf

        rows = tf.TensorSpec([None, None], tf.int32)
        return self._run(self.graph.decode, rows, tf.TensorSpec([None], tf.int32))

    def _run(self, function, *specs):
        import tensorflow as tf

        if self.compiled:
            return tf.function(function, input_signature=specs, autograph=False)
        return lambda *values: function(
            *(tf.constant(value, spec.dtype) for value, spec in zip(values, specs, strict=True))
        )

    def rows(self, texts: list[bytes]) -> list[list[int]]:
        """Encodes in the graph and takes the padding off, having checked it."""
        ids, lengths = (x.numpy() for x in self.encode(texts))
        assert ids.dtype == lengths.dtype == np.int32
        assert ids.shape == (len(texts), max(lengths, default=0))
        for row, length in zip(ids, lengths, strict=True):
            assert (row[length:] == self.tokenizer.pad_id).all()
        return [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)]

    def assert_same(self, texts: list[bytes]) -> None:
        """Asserts that graph and package agree on ids, and on the texts of these ids."""
        expected = [self.processor.encode(t) + [self.tokenizer.end_id] for t in texts]
        for text, got, want in zip(texts, self.rows(texts), expected, strict=True):
            assert got == want, text
        self.assert_same_decoding(expected)

    def assert_same_decoding(self, rows: list[list[int]]) -> None:
        """Asserts that graph and package make the same texts of rows of ids."""
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = np.full([len(rows), max(lengths, default=0) + 1], self.tokenizer.pad_id, np.int32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        size = self.processor.get_piece_size()
        for row, got in zip(rows, self.decode(ids, lengths).numpy(), strict=True):
            want = self.processor.decode([i for i in row if i < size])
            assert got.decode("utf-8") == want, row


@pytest.fixture(scope="session")
def make_model():
    """Returns a function that builds a toy model from `(piece, score, type)` by hand."""

    def make(
        pieces, model_type=1, prefix=True, squeeze=True, byte_fallback=False, specials=True
    ) -> bytes:
        proto = sentencepiece_model_pb2.ModelProto()
        head = [("<pad>", 0.0, 3), ("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
        for piece, score, kind in [*(head if specials else [("<unk>", 0.0, 2)]), *pieces]:
            proto.pieces.add(piece=piece, score=score, type=kind)
        proto.trainer_spec.model_type = model_type
        proto.trainer_spec.byte_fallback = byte_fallback
        proto.normalizer_spec.add_dummy_prefix = prefix
        proto.normalizer_spec.remove_extra_whitespaces = squeeze
        return proto.SerializeToString()

    return make


@pytest.fixture(scope="session")
def make_pair():
    """Returns a function that puts a tokenizer, its graph and the processor side by side.

    The graph runs operation by operation: to compile one takes seconds.
    """
    return lambda model, compiled=False: Pair(SentencePieceTokenizer(model), compiled)


@pytest.fixture(scope="session")
def trained_pair():
    """Returns a function that trains the tokenizer of a variant, once in a session."""
    pairs: dict[str, Pair] = {}

    def get(variant: str) -> Pair:
        if variant not in pairs:
            arguments = {"vocabulary_size": 400, "character_coverage": 0.995, **VARIANTS[variant]}
            pairs[variant] = Pair(SentencePieceTokenizer.train(training_texts(), **arguments))
        return pairs[variant]

    return get


def pytest_generate_tests(metafunc):
    """Runs tests that take `variant` for every kind of model."""
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", list(VARIANTS))


@pytest.fixture(scope="session")
def make_odd_texts():
    """Returns `odd_texts`."""
    return odd_texts


@pytest.fixture(scope="session")
def texts():
    """Returns plain training texts."""
    return training_texts()
