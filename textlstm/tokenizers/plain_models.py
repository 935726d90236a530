"""SentencePiece models that need no training: of bytes, and of a list of words."""

import io
import os
import tempfile
from collections.abc import Iterable
from functools import cache

from sentencepiece import SentencePieceTrainer, sentencepiece_model_pb2

from textlstm.errors import InputError
from textlstm.tokenizers.sentencepiece_model import BYTE, CONTROL, NORMAL, UNKNOWN

_UNIGRAM, _CHAR = 1, 4
_NOT_IN_WORDS = {
    " ": "a space",
    "\n": "a line break",
    "▁": "U+2581, which SentencePiece takes for a space",
    "\0": "NUL",
}
_MARKS = (("<pad>", CONTROL), ("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL))


def byte_model() -> bytes:
    """Makes a model whose pieces are the 256 bytes: every text is its UTF-8."""
    model = _new_model(_CHAR)
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.escape_whitespaces = False  # a space is a byte, too
    for byte in range(256):
        model.pieces.add(piece=f"<0x{byte:02X}>", score=0.0, type=BYTE)
    return _finished(model)


def word_model(words: Iterable[str]) -> bytes:
    """Makes a model whose pieces are words, which spaces part; all others are unknown.

    Args:
        words: each once, without spaces; other white space, such as a tab, is a character like
            any other. A line break is a word of its own, if it is among them, else a space.

    Raises:
        InputError: if a word is empty, comes twice, or has a character in it that no word can hold:
            a space, a line break, "▁" (U+2581), which SentencePiece writes for a space, or NUL.
    """
    model = _new_model(_UNIGRAM)
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = True
    seen: set[str] = set()
    for number, word in enumerate(words):
        if not isinstance(word, str) or not word or word in seen:
            raise InputError(f"`words` gives as word {number} {word!r}; give every word once")
        if word != "\n" and (held := next((c for c in _NOT_IN_WORDS if c in word), None)):
            raise InputError(
                f"`words` gives as word {number} {word!r}, which holds {_NOT_IN_WORDS[held]}; take "
                "it out of the texts or the words, or use another tokenizer (in the recipe "
                "--model-type unigram, bpe, char or byte)"
            )
        seen.add(word)
        # All alike: of two ways to part a text the one with fewer pieces wins.
        model.pieces.add(piece=f"▁{word}", score=-1.0, type=NORMAL)
    if not seen:
        raise InputError("`words` holds no word")
    model.normalizer_spec.precompiled_charsmap = _charsmap(" \n " if "\n" in seen else " ")
    return _finished(model)


def _new_model(model_type: int) -> sentencepiece_model_pb2.ModelProto:
    model = sentencepiece_model_pb2.ModelProto()
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    spec = model.trainer_spec
    spec.model_type = model_type
    spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = range(4)
    for piece, kind in _MARKS:
        model.pieces.add(piece=piece, score=0.0, type=kind)
    return model


def _finished(model) -> bytes:
    model.trainer_spec.vocab_size = len(model.pieces)
    return model.SerializeToString(deterministic=True)


@cache
def _charsmap(line_break: str) -> bytes:
    """Returns the rules of a normalizer that writes line breaks so, as SentencePiece compiles them.

    SentencePiece offers that only where it trains a model.
    """
    target = " ".join(f"{ord(character):X}" for character in line_break)
    with tempfile.TemporaryDirectory(prefix="textlstm-") as folder:
        rules = os.path.join(folder, "rules.tsv")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(f"A\t{target}\n")
        model = io.BytesIO()
        SentencePieceTrainer.train(
            sentence_iterator=iter(["a"]),
            model_writer=model,
            model_type="char",
            vocab_size=5,
            normalization_rule_tsv=rules,
            minloglevel=2,
        )
    trained = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return trained.normalizer_spec.precompiled_charsmap
