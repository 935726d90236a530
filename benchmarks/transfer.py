r"""What a classifier of few labels gains by beginning as a language model.

    python benchmarks/transfer.py --language-model models/generation-imdb \
        --data aclImdb_v1.tar.gz --labels 1000 --draws 3

Of the training part so many rows are drawn, as many of each label. On all of them are trained, for
a number of epochs that is given and with a rate that falls to its end: a classifier that begins
with the language model's layers, unfrozen from the top, with lower rates below and a slanted
triangle over all steps; the kind of classifier that `recipes/sentiment.py` makes for such reviews
with no language model (vectors of its own from the neighbours of each token, a convolution in
front); and a linear model over n-grams. All are scored on the whole official test part, once.
"""

import argparse
import statistics
import time

import numpy as np
from measuring import add_output_flag, keras, write_results

import textlstm
from textlstm.data import own_vectors
from textlstm.tasks import (
    Adam,
    GradualUnfreezing,
    SlantedTriangularSchedule,
    cosine_schedule,
    discriminative_adam,
)


def main() -> None:
    """Trains all on each draw, prints a table and writes the results."""
    flags = read_flags()
    source = textlstm.open_source(flags.data)
    test = list(source.examples("test"))
    texts, labels = [example.text for example in test], [example.label for example in test]
    pool = list(source.examples("train"))
    found: dict[str, list[float]] = {}
    for seed in range(flags.draws):
        rows = draw(pool, flags.labels, seed)
        for name, make in (
            ("from a language model", from_language_model),
            ("without one", without),
            ("n-grams", n_grams),
        ):
            started = time.perf_counter()
            keras.utils.set_random_seed(seed)
            answers = make(flags, *rows)(texts)
            accuracy = float(np.mean([a == b for a, b in zip(answers, labels, strict=True)]))
            found.setdefault(name, []).append(accuracy)
            seconds = time.perf_counter() - started
            print(f"draw {seed}, {name}: {accuracy:.2%} ({seconds:.0f} s)", flush=True)
    results = {"labels": flags.labels, "draws": flags.draws, "accuracy": found}
    for name, values in found.items():
        print(f"{name:24}{statistics.mean(values):>9.2%}")
    write_results(flags.output, results)
    print(f"Written to {flags.output}.json")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--language-model", required=True, metavar="FOLDER", help="an exported LanguageModel")
    add("--data", required=True, metavar="PATH", help="labelled texts with a test part")
    add("--labels", type=int, default=1000, help="rows of the training part; default 1000")
    add("--draws", type=int, default=3, help="of rows and seeds; default 3")
    add("--epochs", type=int, default=8, help="from a language model; default 8")
    add("--epochs-without", type=int, default=12, help="without one; default 12")
    add("--batch-size", type=int, default=32, help="default 32")
    add("--learning-rate", type=float, default=4e-3, help="of the top layer; default 0.004")
    add("--rate-decay", type=float, default=1.6, help="from layer to layer; default 1.6")
    add("--language-loss", type=float, default=0.0, help="default 0")
    add("--max-tokens", type=int, default=512, help="default 512")
    add("--dtype", default="mixed_bfloat16", help="default mixed_bfloat16")
    add_output_flag(parser, "transfer")
    return parser.parse_args()


def draw(pool: list, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Draws as many rows of each label; returns their texts and their labels."""
    names = sorted({example.label for example in pool})
    rng = np.random.default_rng(seed)
    rows = []
    for name in names:
        named = [example for example in pool if example.label == name]
        rows += [named[i] for i in rng.permutation(len(named))[: count // len(names)]]
    return [row.text for row in rows], [row.label for row in rows]


def steps_of(flags, texts, epochs) -> int:
    """Returns the steps of a training, about."""
    return epochs * -(-len(texts) // flags.batch_size)


def from_language_model(flags, texts, labels):
    """Trains the layers of the language model."""
    model = textlstm.TextClassifier.from_language_model(
        textlstm.load(flags.language_model),
        sorted(set(labels)),
        max_tokens=flags.max_tokens,
        token_dropout=0.2,
        language_loss=flags.language_loss,
        dtype=flags.dtype,
    )
    rate = SlantedTriangularSchedule(flags.learning_rate, steps_of(flags, texts, flags.epochs))
    model.compile(discriminative_adam(model, rate, decay=flags.rate_decay), label_smoothing=0.1)
    how = {"batch_size": flags.batch_size, "epochs": flags.epochs, "verbose": 0}
    model.fit(texts, labels, callbacks=[GradualUnfreezing()], **how)
    return model.classify


def without(flags, texts, labels):
    """Trains a classifier that knows nothing but the rows it was given."""
    tokenizer = textlstm.SentencePieceTokenizer.train(
        texts, 8000 if len(texts) < 10_000 else 16_000, normalization="nmt_nfkc_cf"
    )
    model = textlstm.TextClassifier(
        tokenizer,
        sorted(set(labels)),
        embedding_dim=192,
        convolution=3,
        convolution_filters=512,
        convolution_pool=4,
        token_dropout=0.3,
        max_tokens=flags.max_tokens,
        dtype=flags.dtype,
    )
    shape = tokenizer.vocabulary_size, model.embedding.output_dim
    model.embedding.set_weights([own_vectors(model.encode(texts), *shape)])
    rate = cosine_schedule(2e-3, steps_of(flags, texts, flags.epochs_without))
    model.compile(Adam(rate, global_clipnorm=1.0), label_smoothing=0.1)
    how = {"batch_size": flags.batch_size, "epochs": flags.epochs_without, "verbose": 0}
    model.fit(texts, labels, **how)
    return model.classify


def n_grams(flags, texts, labels):
    """Trains the linear model."""
    return textlstm.train_ngram_baseline(texts, labels).predict


if __name__ == "__main__":
    main()
