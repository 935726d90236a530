"""What the tests share: quiet, small TensorFlow, and one small trained classifier."""

import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import pytest

import textlstm
from textlstm.data import sample_reviews


@pytest.fixture(autouse=True, scope="module")
def short_loops(request):
    """Makes graphs in less time: a loop's body holds one step, but where kernels are tested."""
    if "kernels" in request.path.parts:
        yield
        return
    from textlstm.kernels import tensorflow_loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow_loop, "_UNROLLED", 1)
        patch.setattr(tensorflow_loop, "_UNROLLED_IN_TRAINING", 1)
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
