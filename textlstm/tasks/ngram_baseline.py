"""The score that a classifier has to beat: that of a linear model over n-grams."""

import re
from collections import Counter
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.svm import LinearSVC

# A word, or a single character of a script that is written without spaces.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+"


class MultiLabelBaseline:
    """A linear classifier for each label, over the same features.

    Args:
        features: turns texts into features.
        labels: for each training text, the names of its labels.
        texts: the training texts.
    """

    def __init__(
        self, features: TfidfVectorizer, texts: Sequence[str], labels: Sequence[tuple[str, ...]]
    ):
        self._names = MultiLabelBinarizer()
        hot = self._names.fit_transform(labels)  # [rows, labels]
        self._pipeline = make_pipeline(features, OneVsRestClassifier(_classifier()))
        self._pipeline.fit(texts, hot)

    def predict(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Returns the labels of each text, sorted; perhaps none."""
        return self._names.inverse_transform(self._pipeline.predict(texts))


def train_ngram_baseline(
    texts: Sequence[str], labels: Sequence[str] | Sequence[tuple[str, ...]]
) -> Pipeline | MultiLabelBaseline:
    """Trains a linear classifier on the unigrams and bigrams of texts.

    Words are the tokens, and single characters in Chinese and Japanese (where that leaves nothing,
    as of names, each seen once, or of texts without words, all characters); the features are their
    counts, dampened by a logarithm and weighted by inverse document frequency; the classifier is a
    support vector machine, and one for each label where a text may have several. In the sentiment
    sets that this toolkit measures itself on it is hard to beat (Wang and Manning, Baselines and
    Bigrams, ACL 2012).

    Args:
        texts: the training texts.
        labels: the label of each, or a tuple of labels for each.

    Returns:
        For single labels a scikit-learn pipeline: `predict(texts)` gives labels, `score(texts,
        labels)` the accuracy. For tuples a `MultiLabelBaseline`: `predict(texts)` gives tuples.
    """
    tokens = {"analyzer": "word", "token_pattern": _TOKEN, "min_df": 2 if len(texts) > 2000 else 1}
    if not _has_repeated_tokens(texts, tokens["min_df"]):
        tokens = {"analyzer": "char"}
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **tokens)
    if isinstance(next(iter(labels), None), tuple):
        return MultiLabelBaseline(features, texts, labels)
    return make_pipeline(features, _classifier()).fit(texts, labels)


def _has_repeated_tokens(texts: Sequence[str], times: int) -> bool:
    """Says whether any token stands in so many texts."""
    seen: Counter[str] = Counter()
    for text in texts:
        found = set(re.findall(_TOKEN, text.lower()))
        seen.update(found)
        if any(seen[token] >= times for token in found):
            return True
    return False


def _classifier() -> LinearSVC:
    return LinearSVC(C=0.5)
