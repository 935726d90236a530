"""Encoded corpora: the round trip in memory and on disk, and writers that were killed."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from letter_tokenizer import LetterTokenizer

from textlstm.data import EncodedCorpus, Example
from textlstm.errors import InputError

EXAMPLES = [Example("abc", "yes", "t:1"), Example("", "no", "t:2"), Example("z", "yes", "t:3")]


def build(texts=EXAMPLES, **settings):
    return EncodedCorpus.build(texts, LetterTokenizer(), **settings)


@pytest.fixture(params=["memory", "disk"])
def place(request, tmp_path):
    return {} if request.param == "memory" else {"folder": tmp_path / "runs" / "corpus"}


def test_rows_labels_and_counts(place):
    corpus = build(labels=["no", "yes"], **place)
    assert len(corpus) == 3
    assert [corpus.ids(i).tolist() for i in range(3)] == [[3, 4, 5, 2], [2], [28, 2]]
    assert corpus.ids(0).dtype == corpus.labels.dtype == corpus.lengths.dtype == np.int32
    assert corpus.lengths.tolist() == [4, 1, 2]
    assert corpus.labels.tolist() == [1, 0, 1]
    assert corpus.label_names == ("no", "yes")
    assert (corpus.tokens, corpus.cut) == (7, 0)


def test_plain_strings_have_no_labels(place):
    corpus = build(iter(["ab", "c"]), **place)
    assert corpus.labels is None
    assert corpus.label_names == ()
    assert corpus.ids(1).tolist() == [5, 2]


def test_long_rows_are_cut_before_the_end_mark_and_counted(place):
    corpus = build(["abcdef", "abc", "ab", "a" * 50], max_tokens=4, **place)
    assert [corpus.ids(i).tolist() for i in range(4)] == [
        [3, 4, 5, 2],
        [3, 4, 5, 2],
        [3, 4, 2],
        [3, 3, 3, 2],
    ]
    assert (corpus.cut, corpus.max_tokens) == (2, 4)


@given(st.lists(st.text("abcxyz", max_size=9), min_size=1), st.integers(1, 7))
def test_any_chunk_size_gives_the_same_rows(texts, chunk_size):
    corpus = build(texts, chunk_size=chunk_size)
    expected = LetterTokenizer().encode(texts)
    assert all((corpus.ids(i) == row).all() for i, row in enumerate(expected))
    assert corpus.lengths.tolist() == [len(row) for row in expected]


def test_chunks_and_progress():
    tokenizer, seen = LetterTokenizer(), []
    EncodedCorpus.build(["a"] * 10, tokenizer, chunk_size=4, progress=seen.append)
    assert seen == [4, 8, 10]
    assert tokenizer.calls == 3


@given(st.data())
def test_padded_rows(data):
    texts = data.draw(st.lists(st.text("ab", max_size=6), min_size=1, max_size=8))
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1))
    width = data.draw(st.integers(7, 9))
    padded = build(texts).padded(np.array(rows), width, pad_id=-1)
    assert padded.dtype == np.int32
    for row, values in zip(rows, padded.tolist(), strict=True):
        ids = LetterTokenizer().encode([texts[row]])[0].tolist()
        assert values == ids + [-1] * (width - len(ids))


def test_subset_is_a_view_in_the_given_order(place):
    corpus = build(labels=["no", "yes"], **place)
    view = corpus.subset([2, 0])
    assert [view.ids(i).tolist() for i in range(2)] == [[28, 2], [3, 4, 5, 2]]
    assert view.labels.tolist() == [1, 1]
    assert view.label_names == ("no", "yes")
    assert np.shares_memory(view.ids(0), corpus.ids(2))
    assert view.padded(np.array([1]), 5, 0).tolist() == [[3, 4, 5, 2, 0]]
    chosen = corpus.subset(corpus.labels == 0)
    assert [chosen.ids(i).tolist() for i in range(len(chosen))] == [[2]]
    assert len(corpus.subset([])) == 0


@given(st.lists(st.sets(st.sampled_from("abcd")).map(tuple), min_size=1), st.integers(1, 4))
def test_tuples_of_labels_become_ones_and_back(labels, chunk_size):
    rows = [Example("x", label, "t") for label in labels]
    corpus = build(rows, labels=list("abcd"), chunk_size=chunk_size)
    assert corpus.multi_label
    assert corpus.labels.shape == (len(rows), 4) and corpus.labels.dtype == np.float32
    names = np.array(corpus.label_names)
    assert [set(names[row == 1]) for row in corpus.labels] == [set(label) for label in labels]
    assert corpus.labels.sum() == sum(map(len, labels))


def test_several_labels_in_a_row(place):
    rows = [Example("a", ("y", "x"), "t:1"), Example("b", (), "t:2"), Example("c", ("z",), "t:3")]
    corpus = build(rows, labels=["x", "y", "z"], **place)
    assert corpus.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert corpus.labels.dtype == np.float32
    assert corpus.label_names == ("x", "y", "z")
    assert corpus.subset([2, 0]).labels.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert not build(labels=["no", "yes"]).multi_label and not build().multi_label


def test_a_corpus_on_disk_opens_again_and_moves(tmp_path):
    build(labels=["no", "yes"], max_tokens=3, folder=tmp_path / "a", fingerprint="set 1")
    (tmp_path / "a").rename(tmp_path / "b")
    corpus = EncodedCorpus.open(tmp_path / "b", fingerprint="set 1")
    assert corpus.ids(0).tolist() == [3, 4, 2]
    assert corpus.labels.tolist() == [1, 0, 1]
    assert (corpus.cut, corpus.max_tokens, corpus.fingerprint) == (1, 3, "set 1")
    assert corpus.label_names == ("no", "yes")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]


def test_ids_on_disk_are_mapped_not_loaded(tmp_path):
    corpus = build(folder=tmp_path / "a")
    base = corpus.ids(0)
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_another_fingerprint(tmp_path):
    build(folder=tmp_path / "a", fingerprint="set 1")
    with pytest.raises(InputError, match="'set 1', not from 'set 2'"):
        EncodedCorpus.open(tmp_path / "a", fingerprint="set 2")


def test_a_folder_is_never_overwritten(tmp_path):
    build(folder=tmp_path / "a")
    with pytest.raises(InputError, match="is there already.*open"):
        build(["b"], folder=tmp_path / "a")
    assert EncodedCorpus.open(tmp_path / "a").ids(0).tolist() == [3, 4, 5, 2]


def test_mistakes():
    with pytest.raises(InputError, match="t:3: the label 'yes'.*'no'"):
        build([EXAMPLES[1], EXAMPLES[2]], labels=["no"])
    with pytest.raises(InputError, match="t:1: the label 'b' is none of the classes 'a'"):
        build([Example("x", ("a", "b"), "t:1")], labels=["a"])
    with pytest.raises(InputError, match=r"t:2: the label is 'a' where that of t:1 is \('a',\)"):
        rows = [Example("x", ("a",), "t:1"), Example("x", "a", "t:2")]
        build(rows, labels=["a"], chunk_size=1)
    with pytest.raises(InputError, match="no text"):
        build([])
    with pytest.raises(InputError, match="max_tokens is 0"):
        build(max_tokens=0)
    with pytest.raises(TypeError, match="examples"):
        build(["a"], labels=["no"])


def test_a_tokenizer_without_end_mark_is_refused():
    tokenizer = LetterTokenizer()
    tokenizer.end_id = 1
    tokenizer.encode = lambda texts: [np.array([3], np.int32) for _ in texts]
    with pytest.raises(ValueError, match="end_id=1"):
        EncodedCorpus.build(["a"], tokenizer)


def test_a_failed_writing_leaves_nothing(tmp_path):
    def texts():
        yield from ["a"] * 10
        raise RuntimeError("the text ran out")

    with pytest.raises(RuntimeError, match="ran out"):
        build(texts(), folder=tmp_path / "a", chunk_size=2)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writing_never_opens_and_can_be_repeated(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from letter_tokenizer import LetterTokenizer
        from textlstm.data.corpus import EncodedCorpus

        def texts():
            yield from ["abc"] * 10
            os.kill(os.getpid(), signal.SIGKILL)

        EncodedCorpus.build(texts(), LetterTokenizer(), folder=sys.argv[1], chunk_size=2)
        """
    )
    folder = tmp_path / "a"
    path = [str(p) for p in sys.path if p]
    code = f"import sys; sys.path[:0] = {path!r}\n{script}"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], timeout=60)
    assert done.returncode == -9
    assert not folder.exists()
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name.startswith(".a.partial-")
    for place in (folder, left[0]):
        with pytest.raises(InputError, match="no encoded corpus"):
            EncodedCorpus.open(place)

    build(folder=folder)
    assert len(EncodedCorpus.open(folder)) == 3
    # What was left may belong to a writer at work, until it has been still for an hour.
    assert left[0].exists()
    for place in (left[0], *left[0].iterdir()):
        os.utime(place, (0, 0))
    folder.rename(tmp_path / "b")
    build(folder=folder)
    assert not left[0].exists()


@pytest.mark.parametrize("damage", ["ids.bin", "offsets.npy", "labels.npy", "corpus.json"])
@pytest.mark.parametrize("how", ["gone", "short", "empty"])
def test_a_damaged_corpus_does_not_open(tmp_path, damage, how):
    build(labels=["no", "yes"], folder=tmp_path / "a")
    path = tmp_path / "a" / damage
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4] if how == "short" else b"")
    with pytest.raises(InputError, match=r"/a: is no encoded corpus \(.*build"):
        EncodedCorpus.open(tmp_path / "a")


def test_a_corpus_of_a_later_format(tmp_path):
    build(folder=tmp_path / "a")
    about = tmp_path / "a" / "corpus.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        EncodedCorpus.open(tmp_path / "a")
