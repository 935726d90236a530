"""What the tests share: quiet, small TensorFlow, and one small trained classifier."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest
from hypothesis import settings

import textlstm
from textlstm.data import sample_reviews

# A time limit for each example would tell of the machine, not of the code.
settings.register_profile("textlstm", deadline=None)
settings.load_profile("textlstm")

# The longest first: with few left at the end, no worker waits long for another.
LONGEST = [
    "tokenizers/graph/test_sentencepiece_parity.py",
    "kernels/test_tensorflow_kernels.py",
    "tasks/test_text_classifier.py",
    "tasks/test_translator.py",
    "tokenizers/graph/test_sentencepiece_graph.py",
    "benchmarks/test_benchmarks.py",
    "recipes/test_generation.py",
    "recipes/test_sentiment.py",
    "recipes/test_translation.py",
    "tasks/test_training_state.py",
    "tasks/test_language_model.py",
    "tasks/test_translation_serving.py",
    "tasks/test_language_serving.py",
    "test_saving.py",
    "interop/test_torch_classifier.py",
    "kernels/test_custom_gradient.py",
    "test_models.py",
    "test_jax.py",
    "examples/test_c_example.py",
]
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Puts the longest files first; pytest-xdist then hands them out in this order."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(autouse=True, scope="module")
def short_loops(request):
    """Makes graphs in less time, but where kernels are tested: loops of one step, batches whole."""
    if "kernels" in request.path.parts:
        yield
        return
    from textlstm.kernels import tensorflow_kernels, tensorflow_loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow_loop, "_UNROLLED", 1)
        patch.setattr(tensorflow_loop, "_UNROLLED_IN_TRAINING", 1)
        patch.setattr(tensorflow_kernels, "in_halves", lambda run, *args, **o: run(*args, **o))
        yield


@pytest.fixture
def run_under_jax(tmp_path):
    """Runs a script in `tmp_path`, in a process with the JAX backend and without TensorFlow."""
    pytest.importorskip("jax", reason="jax is not installed; it is one of the test requirements")
    start = """
import sys
sys.modules["tensorflow"] = None  # importing it fails
import keras
assert keras.backend.backend() == "jax"
"""

    def run(script: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", start + script],
            cwd=tmp_path,
            env={**os.environ, "KERAS_BACKEND": "jax"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def reviews():
    """300 training reviews, English and Chinese in turn, as (texts, labels)."""
    pairs = zip(sample_reviews("en", "train", 150), sample_reviews("zh", "train", 150))
    examples = [example for pair in pairs for example in pair]
    return [e.text for e in examples], [e.label for e in examples]


@pytest.fixture(scope="session")
def tokenizer(reviews):
    """A unigram tokenizer of a few hundred pieces."""
    return textlstm.SentencePieceTokenizer.train(reviews[0], vocabulary_size=700)


@pytest.fixture(scope="session")
def make_classifier(tokenizer):
    """Makes small classifiers; keyword arguments go to `TextClassifier`."""

    def make(labels=("negative", "positive"), **options):
        keras.utils.set_random_seed(0)
        small = {"units": 8, "embedding_dim": 8, "max_tokens": 40, "bidirectional": False}
        options = {**small, **options}
        return textlstm.TextClassifier(tokenizer, labels, **options)

    return make


@pytest.fixture(scope="session")
def trained(make_classifier, reviews):
    """A classifier that has seen the reviews; do not train it on."""
    model = make_classifier(bidirectional=True)
    model.fit(*reviews, epochs=2, batch_size=16, verbose=0)
    return model


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """The path of the exported version of `trained`."""
    folder = tmp_path_factory.mktemp("models") / "small"
    return textlstm.export(trained, folder, scores={"accuracy": 0.5}, about={"Data": "Made up."})
