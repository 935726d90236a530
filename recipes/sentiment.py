"""Trains a classifier of sentiment, or of other labels, and exports a folder that takes strings.

The embedded sample, reviews in English and Chinese that were written for this project:

    python recipes/sentiment.py

    76 % of the unfolded test reviews (n-grams: 66 %); 80 seconds on 2 CPU cores

The IMDb reviews of https://ai.stanford.edu/~amaas/data/sentiment, as they come or unpacked:

    python recipes/sentiment.py --data aclImdb_v1.tar.gz

    88.4 % of the official 25,000 test reviews (n-grams: 90.7 %); 15 minutes on 2 CPU cores

A table of your own:

    python recipes/sentiment.py --data reviews.csv --text-column review --label-column stars
"""

import argparse
import itertools
import math
import shlex
import sys
import time
from pathlib import Path

from common import MODELS, RunFolder, add_shared_flags, keras, positive, run, tf

import textlstm
from textlstm.tokenizers import suggest_vocabulary_size

# The shape of a new model; with --init it is that of the model given.
SHAPE = {
    "cell": "lstm",
    "units": 128,
    "num_layers": 1,
    "embedding_dim": 128,
    "pooling": "concat",
    "max_tokens": 512,
}

SENTENCES = [
    "The soup was delicious and the waiter could not have been friendlier.",
    "I regret every penny that I spent on this kettle.",
    "Not bad at all: I would buy it again.",
    "房间很干净，服务员也很热情。",
    "等了两个小时，菜还是凉的，再也不来了。",
]


def main() -> None:
    """Trains, evaluates, exports, and asks the export."""
    flags = read_flags()

    # === The data: a part to train on, one to stop by, one that is looked at once, at the end ===
    source = textlstm.open_source(
        flags.data,
        text_column=flags.text_column,
        label_column=flags.label_column,
        encoding=flags.encoding,
    )
    split = textlstm.split_examples(source, seed=flags.seed, limit=flags.limit)
    counts = ", ".join(f"{count:,} {part}" for part, count in split.counts.items())
    print(f"Data: {source.description}\n  {counts}; labels: {', '.join(split.labels)}")
    for note in split.notes:
        print(f"  {note}")
    export = Path(flags.export or MODELS / f"sentiment-{source.name}")
    print(f"The model will be exported to {export}")

    with RunFolder(export, vars(flags), flags.resume) as run_folder:
        # === The model: a new one, or one to fine-tune ===
        keras.utils.set_random_seed(flags.seed)
        if flags.init:
            print(f"Fine-tuning {flags.init}")
            model = textlstm.load(flags.init)
            model.adopt_labels(split.labels)
        else:
            tokenizer = train_tokenizer(split, flags.vocabulary_size, run_folder.path)
            shape = {name: getattr(flags, name) or default for name, default in SHAPE.items()}
            model = textlstm.TextClassifier(tokenizer, split.labels, dropout=flags.dropout, **shape)
        print(model.describe())

        # === Train: the learning rate falls to nearly 0, along a cosine, over all epochs ===
        started = time.monotonic()
        train = encode(model, split, "train", run_folder.path / "train")
        validation = encode(model, split, "validation", run_folder.path / "validation")
        steps = flags.epochs * math.ceil(len(train) / flags.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(flags.learning_rate, steps, alpha=0.02)
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0))
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_accuracy", patience=2, restore_best_weights=True
        )
        model.fit(
            train,
            validation_data=validation,
            batch_size=flags.batch_size,
            epochs=flags.epochs,
            callbacks=[stopping],
            checkpoint=run_folder.state,
            seed=flags.seed,
        )
        print(f"Encoded and trained in {time.monotonic() - started:.0f} s")

        # === Evaluate on what it never saw ===
        scores = evaluate(model, source, split)

        # === Export, and ask the export, with TensorFlow alone ===
        about = {
            "Data": f"{source.description}; {counts}.",
            "Command": f"`python {shlex.join(sys.argv)}`",
        }
        version = textlstm.export(model, export, scores=scores, about=about)
        print(f"Exported to {version}; it answers:")
        answer(version, SENTENCES if flags.data == "sample" else first_texts(split))


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_shared_flags(parser, SHAPE, epochs=4)
    parser.add_argument(
        "--embedding-dim", type=positive, help="size of the token vectors; default 128"
    )
    parser.add_argument(
        "--pooling",
        choices=["concat", "last", "mean", "max", "attention"],
        help="over the tokens; default concat: last, mean and max side by side",
    )
    parser.add_argument(
        "--max-tokens", type=positive, help="longer texts are cut to so many; default 512"
    )
    parser.add_argument(
        "--vocabulary-size", type=positive, help="of the tokenizer; default: by the amount of text"
    )
    parser.add_argument("--dropout", type=float, default=0.5, help="of features; default 0.5")
    parser.add_argument("--batch-size", type=positive, default=64, help="default 64")
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, help="at the beginning; default 0.002"
    )
    flags = parser.parse_args()
    fixed = [f"--{name.replace('_', '-')}" for name in SHAPE if getattr(flags, name) is not None]
    if flags.init and fixed:
        raise textlstm.InputError(
            f"{', '.join(fixed)}: the shape of the model in --init {flags.init} cannot be changed; "
            "leave the flags out, or leave out --init"
        )
    return flags


def train_tokenizer(split, vocabulary_size: int | None, folder: Path):
    """Trains the tokenizer on the training texts, or reads the one of the run that is resumed."""
    path = folder / "tokenizer.model"
    if not path.exists():

        def texts():
            return (example.text for example in split.examples("train"))

        size = vocabulary_size or suggest_vocabulary_size(texts())
        print(f"Training a tokenizer of {size:,} pieces")
        textlstm.SentencePieceTokenizer.train(texts(), size).save_model(path)
    return textlstm.SentencePieceTokenizer.from_file(path)


def encode(model, split, part: str, folder: Path) -> textlstm.EncodedCorpus:
    """Encodes a part to disk, or opens what the run that is resumed encoded."""
    if folder.exists():
        return textlstm.EncodedCorpus.open(folder)
    corpus = model.encode(split.examples(part), folder=folder)
    cut = f"; {corpus.cut:,} are cut to {model.max_tokens} tokens" if corpus.cut else ""
    print(f"Encoded {part}: {len(corpus):,} texts, {corpus.tokens:,} tokens{cut}")
    return corpus


def evaluate(model, source, split) -> dict[str, float]:
    """Scores the model, and beside it a linear model over n-grams, trained on the same rows."""
    print("Training a linear model over n-grams on the same rows, to compare with")
    train = list(split.examples("train"))
    baseline = textlstm.train_ngram_baseline([e.text for e in train], [e.label for e in train])
    scores = {}
    for name, examples in evaluation_sets(source, split).items():
        texts = [example.text for example in examples]
        labels = [example.label for example in examples]
        ours = accuracy(model.classify(texts), labels)
        theirs = accuracy(baseline.predict(texts), labels)
        print(f"Accuracy, {name}, {len(texts):,} texts: {ours:.2%} (n-grams: {theirs:.2%})")
        scores[f"accuracy, {name}, {len(texts):,} texts"] = ours
        scores[f"accuracy, {name}, linear model over n-grams"] = theirs
    return scores


def evaluation_sets(source, split) -> dict:
    """Returns the examples to evaluate on, by name."""
    sets = {"test": list(split.examples("test"))}
    if source.name == "sample":
        written = list(source.examples("written"))
        for language, prefix in (("English", "sample/en"), ("Chinese", "sample/zh")):
            for name, examples in (("unfolded", sets["test"]), ("freely written", written)):
                chosen = [e for e in examples if e.where.startswith(prefix)]
                if chosen:  # --limit may leave none of a language
                    sets[f"{name}, {language}"] = chosen
    return sets


def accuracy(answers, labels) -> float:
    """Returns the share of answers that are the labels."""
    return sum(answer == label for answer, label in zip(answers, labels)) / len(labels)


def first_texts(split) -> list[str]:
    """Returns a few texts of the test part."""
    return [example.text for example in itertools.islice(split.examples("test"), 5)]


def answer(version: Path, texts: list[str]) -> None:
    """Loads an exported version as one would who has TensorFlow only, and prints its answers."""
    classify = tf.saved_model.load(str(version)).signatures["serving_default"]
    answers = classify(text=tf.constant(texts))
    for text, label, score in zip(texts, answers["label"].numpy(), answers["score"].numpy()):
        shown = text if len(text) <= 70 else text[:69] + "…"
        print(f"  {label.decode():>10} {score:.3f}  {shown}")


run(main)
