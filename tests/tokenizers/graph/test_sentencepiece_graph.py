"""The graph, on toy models whose answers can be worked out by hand."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from textlstm.tokenizers import SentencePieceTokenizer

NORMAL, USER_DEFINED, UNUSED, BYTE = 1, 4, 5, 6
UNIGRAM, BPE, CHAR = 1, 2, 4
# Ids of toy models: 0 <pad>, 1 <unk>, 2 <s>, 3 </s>, then the given pieces from 4.
END = 3


class TestUnigram:
    def test_takes_the_path_of_the_highest_score(self, make_model, make_pair):
        pieces = [("▁", -3.0, 1), ("a", -2.0, 1), ("b", -2.0, 1), ("ab", -3.5, 1), ("▁a", -4.0, 1)]
        pair = make_pair(make_model(pieces))
        # "▁" + "ab" scores -6.5, "▁a" + "b" -6.0.
        assert pair.rows(["ab", "a", "b", ""]) == [[8, 6, END], [8, END], [4, 6, END], [END]]

    def test_first_found_path_wins_a_tie(self, make_model, make_pair):
        pieces = [("a", -1.0, 1), ("b", -1.0, 1), ("ab", -2.0, 1)]
        pair = make_pair(make_model(pieces, prefix=False))
        assert pair.rows(["ab"]) == [[6, END]]
        pair.assert_same([b"ab", b"abab"])

    def test_unknown_characters_become_one_id(self, make_model, make_pair):
        pair = make_pair(make_model([("a", -1.0, 1)], prefix=False))
        assert pair.rows(["xya", "axxx", "\U0010ffff\0"]) == [[1, 4, END], [4, 1, END], [1, END]]

    def test_unknown_characters_become_bytes(self, make_model, make_pair):
        pieces = [(f"<0x{b:02X}>", 0.0, BYTE) for b in range(256)] + [("a", -1.0, 1)]
        pair = make_pair(make_model(pieces, prefix=False, byte_fallback=True))
        spelled = [4 + b for b in "é好".encode()]
        assert pair.rows(["aé好", b"\xff"]) == [
            [260, *spelled, END],
            [*(4 + b for b in "\ufffd".encode()), END],
        ]
        assert pair.decode([[260, *spelled]], [6]).numpy()[0].decode() == "aé好"
        # Half a character, and a stray byte, become U+FFFD each.
        assert pair.decode([[4 + 0xE5, 4 + 0xA5, 260]], [3]).numpy()[0].decode() == "\ufffd\ufffda"

    def test_near_ties_depend_on_what_precedes(self, make_model, make_pair):
        pieces = [
            ("a", -7.3, 1),
            ("b", -3.0, 1),
            ("c", -3.0, 1),
            ("bc", -6.0001, 1),
            ("bcd", -50, 1),
        ]
        pair = make_pair(make_model(pieces, prefix=False), compiled=True)
        assert pair.rows(["bc"]) == [[5, 6, END]]
        assert pair.rows(["a" * 3000 + "bc"])[0][-2:] == [7, END]
        pair.assert_same([b"a" * n + b"bc" for n in (10, 100, 1000, 3000)])

    def test_scores_of_very_long_texts_start_anew(self, make_model, make_pair):
        pieces = [
            ("a", -7.3, 1),
            ("b", -3.0, 1),
            ("c", -3.0, 1),
            ("bc", -6.001, 1),
            ("aab", -29, 1),
        ]
        pair = make_pair(make_model(pieces, prefix=False), compiled=True)
        pair.assert_same([(b"a" * n + b"bcaaab") * 3 for n in (9000, 13690, 13699, 13705)])

    def test_overlapping_symbols_and_unused_pieces(self, make_model, make_pair):
        pieces = [
            ("ab", 0.0, USER_DEFINED), ("bcd", 0.0, USER_DEFINED), ("a", -1.0, 1), ("b", -1.0, 1),
            ("c", -1.0, 1), ("d", -1.0, 1), ("cd", -0.1, UNUSED), ("abc", 0.5, 1),
        ]  # fmt: skip
        pair = make_pair(make_model(pieces, prefix=False), compiled=True)
        pair.assert_same([b"abcd", b"cd", b"ababcdabc", b"bcdab", b"xcd"])


class TestBPE:
    def test_merges_best_pair_first_and_leftmost_on_ties(self, make_model, make_pair):
        pieces = [
            ("ab", -1.0, 1), ("bc", -2.0, 1), ("abc", -3.0, 1), ("aa", -4.0, 1),
            ("a", -5.0, 1), ("b", -6.0, 1), ("c", -7.0, 1),
        ]  # fmt: skip
        pair = make_pair(make_model(pieces, BPE, prefix=False))
        assert pair.rows(["abc", "bc", "aaa", "aab"]) == [
            [6, END], [5, END], [7, 8, END], [8, 4, END]
        ]  # fmt: skip

    def test_a_better_pair_may_arise_from_a_merge(self, make_model, make_pair):
        # Merging the first "ab" makes "aba" possible, which comes before the second "ab".
        pieces = [("ab", -2.0, 1), ("aba", -1.0, 1), ("a", -5.0, 1), ("b", -6.0, 1)]
        pair = make_pair(make_model(pieces, BPE, prefix=False))
        assert pair.rows(["abab"]) == [[5, 7, END]]
        pair.assert_same([b"ab" * n + tail for n in range(1, 9) for tail in (b"", b"a", b"b")])

    def test_many_small_vocabularies(self, make_model, make_pair):
        rng = np.random.default_rng(0)
        texts = [bytes(rng.choice(list(b"abc"), size=n)) for n in range(30)]
        for _ in range(6):
            words = {"".join(rng.choice(list("abc"), size=rng.integers(2, 6))) for _ in range(25)}
            pieces = [(w, float(-rng.integers(9)), 1) for w in sorted(words | set("ab"))]
            make_pair(make_model(pieces, BPE, prefix=False)).assert_same(texts)

    def test_unused_pieces_are_taken_apart_again(self, make_model, make_pair):
        pieces = [
            ("ab", -1.0, 1), ("abc", -2.0, UNUSED), ("abcd", -3.0, UNUSED), ("a", -5.0, 1),
            ("b", -6.0, 1), ("c", -7.0, 1), ("d", -8.0, UNUSED), ("bc", -2.5, UNUSED),
        ]  # fmt: skip
        pair = make_pair(make_model(pieces, BPE, prefix=False), compiled=True)
        # A single character that is unused is unknown.
        assert pair.rows(["abcd", "bc"]) == [[4, 9, 1, END], [8, 9, END]]
        pair.assert_same([b"abcd", b"abcabcd", b"dbcd", b"bcbc abc"])


def test_characters(make_model, make_pair):
    pieces = [("a", -1.0, 1), ("好", -2.0, 1), ("ab", -1.0, 1), ("bc", 0.0, USER_DEFINED)]
    pair = make_pair(make_model(pieces, CHAR, prefix=False))
    assert pair.rows(["ab好", "abc", "zza"]) == [[4, 1, 5, END], [4, 7, END], [1, 4, END]]


class TestDecoding:
    def test_leading_space_is_the_dummy_prefix(self, make_model, make_pair):
        pieces = [("▁", -1.0, 1), ("▁a", -1.0, 1), ("a", -2.0, 1), ("▁▁a", -3.0, 1)]
        rows = [[5, 5], [4, 4, 6], [2, 5, 3], [1, 5], [7, 4], [0, 4, 5], []]
        expected = {
            (True, True): ["a a", "a", "a", " ⁇  a", " a ", "a", ""],
            (True, False): ["a a", " a", "a", " ⁇  a", " a ", " a", ""],
            (False, False): [" a a", "  a", " a", " ⁇  a", "  a ", "  a", ""],
        }
        for (prefix, squeeze), texts in expected.items():
            pair = make_pair(make_model(pieces, prefix=prefix, squeeze=squeeze))
            pair.assert_same_decoding(rows)
            assert [pair.processor.decode(row) for row in rows] == texts

    def test_added_ids_give_nothing(self, make_model, make_pair):
        pair = make_pair(make_model([("a", -1.0, 1)], specials=False))
        assert (pair.tokenizer.end_id, pair.tokenizer.pad_id) == (2, 3)
        assert pair.tokenizer.vocabulary_size == 4
        assert pair.rows(["a", ""]) == [[0, 1, 2], [2]]
        assert pair.decode([[1, 2, 1, 3], [3, 3, 3, 3]], [3, 4]).numpy().tolist() == [b"aa", b""]

    def test_ids_out_of_range(self, make_model, make_pair):
        pair = make_pair(make_model([("a", -1.0, 1)]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="-1"):
            pair.decode([[-1]], [1])


class TestShapes:
    def test_batch_of_none(self, trained_pair):
        pair = trained_pair("unigram")
        ids, lengths = pair.encode(tf.zeros([0], tf.string))
        assert ids.shape == (0, 0) and lengths.shape == (0,)
        assert pair.decode(tf.zeros([0, 0], tf.int32), tf.zeros([0], tf.int32)).shape == (0,)

    def test_groups_give_the_rows_in_their_order(self, trained_pair, monkeypatch):
        from textlstm.tokenizers.graph import sentencepiece_graph

        pair = trained_pair("unigram")
        texts = ["a river", "", "the old teacher reads", "夜來風雨聲", "x" * 50]
        expected = pair.rows(texts)
        monkeypatch.setattr(sentencepiece_graph, "GROUP_BYTES", 30)
        ids, lengths = pair.graph.encode(tf.constant(texts))
        assert [row[:n].tolist() for row, n in zip(ids.numpy(), lengths, strict=True)] == expected

    def test_in_a_dataset(self, trained_pair):
        tokenizer = SentencePieceTokenizer(trained_pair("bpe").tokenizer._model)
        data = tf.data.Dataset.from_tensor_slices(["a river", "the old river"]).batch(2)
        # The graph of the tokenizer is first made here, inside of the dataset's graph.
        ids, lengths = next(iter(data.map(tokenizer.graph.encode)))
        assert lengths.numpy().tolist() == [
            len(x) for x in tokenizer.encode(["a river", "the old river"])
        ]
        assert ids.shape[0] == 2

    def test_in_a_mapped_function(self, trained_pair):
        tokenizer = SentencePieceTokenizer(trained_pair("unigram_bytes").tokenizer._model)
        texts = ["a river", "the old river 𝄞"]

        def convert(texts):
            ids, lengths = tokenizer(texts)
            # Only autograph can make sense of such a condition.
            if tf.size(ids) > 0:
                lengths += 0
            again, _ = tokenizer.graph.encode(texts)
            return ids, again, lengths, tokenizer.graph.decode(ids, lengths)

        def leave(texts):
            ids, lengths = tokenizer(texts)
            again, _ = tokenizer.graph.encode(texts)
            return ids, again, lengths, tokenizer.graph.decode(ids, lengths)

        rows = tokenizer.encode(texts)
        for function in (convert, tf.autograph.experimental.do_not_convert(leave)):
            data = tf.data.Dataset.from_tensor_slices(texts).batch(2).map(function)
            ids, again, lengths, decoded = next(data.as_numpy_iterator())
            np.testing.assert_array_equal(ids, again)
            for got, length, want in zip(ids, lengths, rows, strict=True):
                np.testing.assert_array_equal(got[:length], want)
            assert [text.decode() for text in decoded] == tokenizer.decode(rows)

    def test_autograph_leaves_it_alone(self, trained_pair, monkeypatch):
        from textlstm.tokenizers.graph import decoding, sentencepiece_graph

        graph = trained_pair("unigram_bytes").graph
        seen = []

        def spy_on(function):
            def spy(*arguments):
                seen.append(tf.__internal__.autograph.control_status_ctx().status.name)
                return function(*arguments)

            return spy

        for module, name in [(sentencepiece_graph, "normalize"), (decoding, "decode_utf8")]:
            monkeypatch.setattr(module, name, spy_on(getattr(module, name)))
        tf.function(lambda texts: graph.decode(*graph.encode(texts)))(tf.constant(["a"]))
        assert seen == ["DISABLED", "DISABLED"]

    @pytest.mark.parametrize("model", ["unigram", "bpe"])
    @pytest.mark.parametrize("unit", ["a", "好", " ", "the", "鳥", "\U0001f9ff"])
    def test_long_texts(self, trained_pair, model, unit):
        pair = trained_pair(model)
        pair.assert_same([(unit * (10_000 // len(unit))).encode(), b"short"])


def test_saved_model_runs_alone(trained_pair, make_odd_texts, tmp_path):
    """A SavedModel gives the same ids in a process that has none of our packages."""
    texts = make_odd_texts(40, seed=5)
    module = tf.Module()
    expected = {}
    for variant in ("unigram_bytes", "bpe_symbols", "char"):
        pair = trained_pair(variant)
        setattr(module, variant, pair.graph)
        setattr(module, f"{variant}_encode", pair.encode)
        setattr(module, f"{variant}_decode", pair.decode)
        expected[variant] = [row.tolist() for row in pair.tokenizer.encode(texts)]
    tf.saved_model.save(module, str(tmp_path / "model"))
    assert (tmp_path / "model" / "saved_model.pb").stat().st_size < 3_000_000

    script = textwrap.dedent(
        """
        import sys
        for name in ("sentencepiece", "tensorflow_text", "textlstm", "keras"):
            sys.modules[name] = None
        import ast, tensorflow as tf
        path, texts = sys.argv[1], ast.literal_eval(sys.argv[2])
        module = tf.saved_model.load(path)
        answers = {}
        for variant in ("unigram_bytes", "bpe_symbols", "char"):
            ids, lengths = getattr(module, variant + "_encode")(tf.constant(texts))
            decoded = getattr(module, variant + "_decode")(ids, lengths).numpy().tolist()
            answers[variant] = [r[:n].tolist() for r, n in zip(ids.numpy(), lengths)], decoded
        print(repr(answers))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model"), repr(texts)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answers = eval(done.stdout.strip().splitlines()[-1])
    for variant, rows in expected.items():
        ids, decoded = answers[variant]
        assert ids == rows
        assert [t.decode() for t in decoded] == trained_pair(variant).tokenizer.decode(rows)


def test_tables_are_variables_not_constants(trained_pair):
    for variant in ("unigram_symbols", "bpe_bytes"):
        graph = trained_pair(variant).encode.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        constants = [n.attr["value"].tensor for n in nodes if n.op == "Const"]
        assert max(c.ByteSize() for c in constants) < 1000
