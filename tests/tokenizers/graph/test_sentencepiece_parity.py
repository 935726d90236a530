"""Graph and C++ package give the same ids and texts, for every kind of model and string."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = {
    "max_examples": 40,
    "suppress_health_check": list(HealthCheck),
}
characters = st.characters(blacklist_categories=("Cs",))
spaces = st.text(alphabet=" \t\n\u3000\u2581\u00a0", max_size=6)
any_text = st.builds(
    lambda *parts: "".join(parts).encode(), spaces, st.text(characters, max_size=40), spaces
)


def test_made_texts(variant, trained_pair, make_odd_texts):
    trained_pair(variant).assert_same(make_odd_texts(400, seed=1))


def test_random_ids(variant, trained_pair):
    pair = trained_pair(variant)
    rng = random.Random(0)
    size = pair.tokenizer.vocabulary_size
    rows = [[rng.randrange(size) for _ in range(rng.randint(0, 12))] for _ in range(300)]
    if pair.graph.byte_fallback:
        rows += [[rng.randrange(4, 260) for _ in range(rng.randint(0, 9))] for _ in range(300)]
    pair.assert_same_decoding(rows)


@settings(**SETTINGS)
@given(texts=st.lists(any_text | st.binary(max_size=40), min_size=1, max_size=20))
def test_any_unicode_and_any_bytes(variant, trained_pair, texts):
    trained_pair(variant).assert_same(texts)
