"""The linear model over n-grams, in scripts with and without spaces."""

from textlstm import train_ngram_baseline


def test_learns_words_bigrams_and_chinese_characters():
    texts = ["good film", "bad film", "not good film", "not bad film", "很好看", "不好看"] * 5
    labels = ["positive", "negative", "negative", "positive", "positive", "negative"] * 5
    baseline = train_ngram_baseline(texts, labels)
    asked = ["a good one", "not good", "not bad", "真的很好", "真的不好"]
    answers = ["positive", "negative", "positive", "positive", "negative"]
    assert baseline.predict(asked).tolist() == answers
    assert baseline.score(asked, answers) == 1.0


def test_texts_without_a_word_that_comes_twice():
    names = [f"{'ka' if n % 2 else 'to'}{n:04d}{'mo' if n % 2 else 'ri'}" for n in range(2500)]
    baseline = train_ngram_baseline(names, ["even", "odd"] * 1250)
    assert baseline.predict(["ka9999mo", "to9999ri"]).tolist() == ["odd", "even"]
    baseline = train_ngram_baseline(["!!", "??", ":)", ":("], ["a", "b", "c", "d"])
    assert baseline.predict(["!", ":)"]).tolist() == ["a", "c"]


def test_tuples_of_labels():
    texts = ["funny film", "sad film", "funny and sad film", "a film"] * 5
    labels = [("comedy",), ("drama",), ("drama", "comedy"), ()] * 5
    baseline = train_ngram_baseline(texts, labels)
    asked = ["the film", "a funny one", "so sad", "sad and funny"]
    assert baseline.predict(asked) == [(), ("comedy",), ("drama",), ("comedy", "drama")]
