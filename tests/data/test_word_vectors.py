"""Word vectors: the formats, their faults, and which piece gets which vector."""

import gzip

import numpy as np
import pytest
from sentencepiece import sentencepiece_model_pb2

from textlstm.data import EncodedCorpus, Example, initialize_embedding, load_word_vectors
from textlstm.errors import InputError
from textlstm.layers import TokenEmbedding
from textlstm.tokenizers import SentencePieceTokenizer

PIECES = ["▁good", "▁Bad", "▁ba", "good", "好", "好看", "好o", "▁", ",", "▁NASA"]
GOOD, BAD, BA, INNER, HAO, HAOKAN, MIXED, SPACE, COMMA, NASA = range(4, 14)


@pytest.fixture
def toy():
    """A unigram model of `PIECES`, from id 4."""
    proto = sentencepiece_model_pb2.ModelProto()
    for piece, kind in [("<pad>", 3), ("<unk>", 2), ("<s>", 3), ("</s>", 3)]:
        proto.pieces.add(piece=piece, score=0.0, type=kind)
    for piece in PIECES:
        proto.pieces.add(piece=piece, score=-1.0, type=1)
    proto.trainer_spec.model_type = 1
    proto.normalizer_spec.add_dummy_prefix = True
    proto.normalizer_spec.escape_whitespaces = True
    proto.normalizer_spec.remove_extra_whitespaces = True
    return SentencePieceTokenizer(proto.SerializeToString())


@pytest.fixture
def write(tmp_path):
    """Writes a file and returns its path."""

    def write(text, name="vectors.txt"):
        data = text if isinstance(text, bytes) else text.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def as_dict(vectors):
    return {word: vectors[word].tolist() for word in vectors.words}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("good 1 2\n好 -3 4e-1\n", "glove.txt"),
        ("2 2\ngood 1 2\n好 -3 4e-1\n", "fasttext.vec"),
        ("2 2\ngood 1 2 \n好 -3 4e-1 \n", "word2vec.txt"),  # its own tool ends lines with a space
        ("2 2\ngood 1 2\n好 -3 4e-1\n", "fasttext.vec.gz"),
        ("\ufeffgood 1 2\r\n好 -3 4e-1\r\n\r\n", "windows.txt"),
    ],
)
def test_formats(write, text, name):
    vectors = load_word_vectors(write(text, name))
    np.testing.assert_array_equal(vectors.vectors, np.array([[1, 2], [-3, 0.4]], "float32"))
    assert vectors.vectors.dtype == np.float32
    assert vectors.words == ["good", "好"] and vectors.dim == 2
    assert "好" in vectors and "bad" not in vectors and len(vectors) == 2


def test_words_with_spaces_and_words_that_are_numbers(write):
    path = write("a 1 2\n. . . 3 4\n1984 5 6\nat name@domain.com 7 8\n")
    assert as_dict(load_word_vectors(path)) == {
        "a": [1, 2],
        ". . .": [3, 4],
        "1984": [5, 6],
        "at name@domain.com": [7, 8],
    }


def test_several_languages_and_double_words(write):
    english, german = (
        write("good 1 2\ngood 8 8\n", "en.txt"),
        write("3 2\ngut 3 4\ngood 9 9\na 0 0\n"),
    )
    vectors = load_word_vectors([english, german])
    assert as_dict(vectors) == {"good": [1, 2], "gut": [3, 4], "a": [0, 0]}
    assert vectors.duplicates == 2


def test_only_the_words_asked_for_are_kept(write):
    # Numbers of other words are not even read.
    path = write("good 1 2\nbad x y\n好 3 4\n")
    assert as_dict(load_word_vectors(path, words=["好", "missing"])) == {"好": [3, 4]}
    assert load_word_vectors(path, words=[]).vectors.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no word vectors"),
        ("2 2\n", "holds no word vectors"),
        ("word\n", r"vectors.txt:1: holds 'word', neither a word"),
        ("a 1 2\nb 1\n", r"vectors.txt:2: holds a word and 1 numbers, expected 2"),
        ("a 1 2\nb 1 x2\n", r"vectors.txt:2: number 2 of 2 is 'x2', expected a finite number"),
        ("a 1 2\nb nan 1\n", r"vectors.txt:2: number 1 of 2 is 'nan'"),
        ("a 1 2\nb 1 -inf\n", r"vectors.txt:2: number 2 of 2 is '-inf'"),
        ("a 1 2\nb 1e40 1\n", r"vectors.txt:2: number 1 of 2 is '1e40'"),
        ("3 2\na 1 2\nb 1 2\n", r"ends after 2 of the 3 words"),
        (b"a 1 2\n\xff 1 2\n", r"vectors.txt:2: byte 0xFF"),
    ],
)
def test_faults_are_named_with_their_line(write, text, message):
    with pytest.raises(InputError, match=message):
        load_word_vectors(write(text))


def test_files_that_do_not_fit_or_cannot_be_read(write, tmp_path):
    with pytest.raises(InputError, match=r"b.txt:1: has vectors of 3 numbers.* of 2"):
        load_word_vectors([write("a 1 2\n", "a.txt"), write("b 1 2 3\n", "b.txt")])
    with pytest.raises(InputError, match="missing.txt: cannot be read"):
        load_word_vectors(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="names no file"):
        load_word_vectors([])
    whole = write("a 1 2\n" * 999, "cut.txt.gz")
    whole.write_bytes(whole.read_bytes()[:-9])
    with pytest.raises(InputError, match="cut.txt.gz: cannot be read"):
        load_word_vectors(whole)


def test_pieces_get_the_vectors_of_what_they_spell(toy, write):
    embedding = TokenEmbedding(toy.vocabulary_size, 2)
    embedding.build()
    before = embedding.embeddings.numpy()
    words = ["good", "bad", "ba", "好", "好o", ",", "</s>", "<unk>", "▁", "NASA", "nasa"]
    path = write("".join(f"{word} {i} {-i}\n" for i, word in enumerate(words, start=1)))
    coverage = initialize_embedding(embedding, toy, path)
    table = embedding.embeddings.numpy()
    expected = {GOOD: 1, BAD: 2, BA: 3, HAO: 4, COMMA: 6, NASA: 10}
    for piece, number in expected.items():
        np.testing.assert_array_equal(table[piece], [number, -number])
    # "good" inside of a word, mixed scripts, the space and the marks keep their random start,
    # all scaled alike to the deviation of those found.
    others = np.setdiff1d(np.arange(len(table)), list(expected))
    factor = table[list(expected)].std() / before[others].std()
    np.testing.assert_allclose(table[others], factor * before[others], rtol=1e-5)
    assert (coverage.found, coverage.pieces, coverage.tokens) == (6, 10, None)
    assert str(coverage) == "vectors for 6 of 10 pieces (60%)"


def test_the_share_of_running_tokens(toy, write):
    embedding = TokenEmbedding(toy.vocabulary_size, 2)
    embedding.build()
    vectors = load_word_vectors(write("good 1 2\n, 3 4\n"))
    texts = ["good , good", "Bad?"]  # ▁good ▁ , ▁good | ▁Bad <unk>
    examples = [Example(text, "x", "t") for text in texts]
    corpora = (texts, iter(texts), examples, EncodedCorpus.build(texts, toy))
    for corpus in corpora:
        coverage = initialize_embedding(embedding, toy, vectors, corpus)
        assert coverage.tokens == 3 / 6
    assert str(coverage) == "vectors for 2 of 10 pieces (20%), 50% of the tokens"


def test_no_word_found_changes_nothing(toy, write):
    embedding = TokenEmbedding(toy.vocabulary_size, 2)
    embedding.build()
    before = embedding.embeddings.numpy()
    assert initialize_embedding(embedding, toy, write("zebra 1 2\n")).found == 0
    np.testing.assert_array_equal(embedding.embeddings, before)


def test_sizes_must_agree(toy, write):
    embedding = TokenEmbedding(toy.vocabulary_size, 3)
    embedding.build()
    with pytest.raises(InputError, match="2 numbers each, the embedding 3; .*embedding_dim=2"):
        initialize_embedding(embedding, toy, write("good 1 2\n"))
    other = TokenEmbedding(5, 2)
    other.build()
    with pytest.raises(InputError, match="embedding has 5 rows, the tokenizer 14 ids"):
        initialize_embedding(other, toy, write("good 1 2\n"))


def test_a_classifier_starts_from_vectors(make_classifier, write):
    model = make_classifier(embedding_dim=2)
    tokenizer = model.tokenizer
    word = next(p for p in tokenizer.pieces if p.startswith("▁") and p[1:].islower())
    coverage = initialize_embedding(model.embedding, tokenizer, write(f"{word[1:]} 7 8\n"))
    assert coverage.found >= 1
    row = tokenizer.pieces.index(word)
    np.testing.assert_array_equal(model.embedding.embeddings[row], [7, 8])
    assert np.isfinite(model.predict([word[1:]], verbose=0)).all()
