r"""What a classifier of few labels gains by beginning as a language model.

    python benchmarks/transfer.py --language-model models/generation-imdb \
        --data aclImdb_v1.tar.gz --labels 1000 --draws 3

Of the training part so many rows are drawn, as many of each label. On all of them are trained, for
a number of epochs that is given and with a rate that falls to its end: a classifier that begins
with the language model's layers, unfrozen from the top, with lower rates below and a slanted
triangle over all steps; with `--pseudo-labels` a second one like it, that also learns from so many
other rows with the labels that the first one gives them; the kind of classifier that
`recipes/sentiment.py` makes for such reviews with no language model (vectors of its own from the
neighbours of each token, a convolution in front); and a linear model over n-grams. All are scored
on the whole official test part, once. What is done of a run that was cut off is not done again.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

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
    test_texts, test_labels = [row.text for row in test], [row.label for row in test]
    pool = list(source.examples("train"))
    results = begun_results(flags)

    def measure(name, make, texts, labels, **options):
        started = time.perf_counter()
        keras.utils.set_random_seed(seed)
        model = make(flags, texts, labels, **options)
        answers = model.predict(test_texts) if make is n_grams else model.classify(test_texts)
        accuracy = float(np.mean([a == b for a, b in zip(answers, test_labels, strict=True)]))
        found[name] = accuracy
        seconds = time.perf_counter() - started
        print(f"draw {seed}, {name}: {accuracy:.2%} ({seconds:.0f} s)", flush=True)
        return model

    for seed in range(flags.draws):
        if str(seed) in results["draws"]:
            continue
        found: dict[str, float] = {}
        texts, labels, others = draw(pool, flags.labels, seed)
        teacher = measure("from a language model", from_language_model, texts, labels)
        if flags.pseudo_labels:
            more, given = labelled_by(teacher, others, flags.pseudo_labels)
            rows = texts + more, labels + given
            epochs = flags.pseudo_label_epochs
            measure("and pseudo-labels", from_language_model, *rows, epochs=epochs)
        measure("without one", without, texts, labels)
        measure("n-grams", n_grams, texts, labels)
        results["draws"][str(seed)] = found
        write_results(flags.output, results)
    draws = list(results["draws"].values())
    for name in draws[0]:
        print(f"{name:24}{statistics.mean(found[name] for found in draws):>9.2%}")
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
    add("--pseudo-labels", type=int, default=0, help="of as many other rows; default 0")
    add("--adversarial", type=float, default=0.0, help="from a language model; default 0, none")
    add("--epochs", type=int, default=8, help="from a language model; default 8")
    add("--pseudo-label-epochs", type=int, default=3, help="with pseudo-labels; default 3")
    add("--epochs-without", type=int, default=12, help="without one; default 12")
    add("--batch-size", type=int, default=32, help="default 32")
    add("--learning-rate", type=float, default=4e-3, help="of the top layer; default 0.004")
    add("--rate-decay", type=float, default=1.6, help="from layer to layer; default 1.6")
    add("--language-loss", type=float, default=0.0, help="default 0")
    add("--max-tokens", type=int, default=512, help="default 512")
    add("--dtype", default="mixed_bfloat16", help="default mixed_bfloat16")
    add_output_flag(parser, "transfer")
    return parser.parse_args()


def begun_results(flags) -> dict:
    """Returns the results of a run with the same flags that was cut off, or empty ones."""
    unlike = "draws", "output"
    options = {name: value for name, value in vars(flags).items() if name not in unlike}
    options |= {name: Path(options[name]).name for name in ("language_model", "data")}
    path = flags.output.with_name(f"{flags.output.name}.json")
    if path.exists():
        results = json.loads(path.read_text("utf-8"))
        if results.get("options") == options:
            return results
    return {"options": options, "draws": {}}


def draw(pool: list, count: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Draws as many rows of each label; returns texts, labels, and the texts of all other rows."""
    names = sorted({example.label for example in pool})
    rng = np.random.default_rng(seed)
    texts, labels, others = [], [], []
    for name in names:
        named = [example.text for example in pool if example.label == name]
        named = [named[i] for i in rng.permutation(len(named))]
        share = count // len(names)
        texts += named[:share]
        labels += [name] * share
        others += named[share:]
    return texts, labels, [others[i] for i in rng.permutation(len(others))]


def labelled_by(model, texts: list[str], count: int) -> tuple[list[str], list[str]]:
    """Labels texts: reads twice as many, and keeps of each label those the model is surest of."""
    texts = texts[: 2 * count]
    probabilities = model.predict(texts)  # [texts, labels]
    share = count // len(model.labels)
    kept, labels = [], []
    for label, column in zip(model.labels, probabilities.T, strict=True):
        kept += [texts[i] for i in column.argsort()[-share:]]
        labels += [label] * share
    return kept, labels


def steps_of(flags, texts, epochs) -> int:
    """Returns the steps of a training, about."""
    return epochs * -(-len(texts) // flags.batch_size)


def from_language_model(flags, texts, labels, epochs=None):
    """Trains the layers of the language model."""
    epochs = epochs or flags.epochs
    model = textlstm.TextClassifier.from_language_model(
        textlstm.load(flags.language_model),
        sorted(set(labels)),
        max_tokens=flags.max_tokens,
        token_dropout=0.2,
        language_loss=flags.language_loss,
        dtype=flags.dtype,
    )
    rate = SlantedTriangularSchedule(flags.learning_rate, steps_of(flags, texts, epochs))
    model.compile(
        discriminative_adam(model, rate, decay=flags.rate_decay),
        label_smoothing=0.1,
        adversarial=flags.adversarial,
    )
    how = {"batch_size": flags.batch_size, "epochs": epochs, "verbose": 0, "validation_split": 0}
    model.fit(texts, labels, callbacks=[GradualUnfreezing()], **how)
    return model


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
    how = {
        "batch_size": flags.batch_size,
        "epochs": flags.epochs_without,
        "verbose": 0,
        "validation_split": 0,
    }
    model.fit(texts, labels, **how)
    return model


def n_grams(flags, texts, labels):
    """Trains the linear model."""
    return textlstm.train_ngram_baseline(texts, labels)


if __name__ == "__main__":
    main()
