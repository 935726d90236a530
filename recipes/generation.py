r"""Trains a language model and exports a folder that goes on with texts.

The help topics that every Python carries, with no network:

    python recipes/generation.py

(under three minutes on two CPU cores; about 1.8 bits per character of topics that it never read,
those of Python 3.11.)

Text files, a folder or archive of them, a table with a text in each row:

    python recipes/generation.py --data shakespeare.txt --model-type char
    python recipes/generation.py --data poems.jsonl --text-column poem --model-type char
    python recipes/generation.py --data wikitext-2-v1.zip --model-type word

(README.md and the cards of models/generation-* have the flags, scores and times of these three.)
"""

import argparse
import itertools
import platform
from collections import Counter
from pathlib import Path

from common import (
    NORMALIZATIONS,
    RunFolder,
    above_zero,
    add_shared_flags,
    announce,
    check_columns,
    counts_of,
    export_with_card,
    flags_in_words,
    kept_tokenizer,
    keras,
    load_to_fine_tune,
    load_to_measure,
    not_negative,
    positive,
    refuse_with_init,
    run,
    share,
    tf,
)

import textlstm
from textlstm import InputError
from textlstm.data import PythonTopics, StreamBatches
from textlstm.data.text_files import UNITS
from textlstm.tasks import Adam, TriggeredAverage, cosine_schedule

# The shape of a new model; with --init it is that of the model given, but for BESIDE_WEIGHTS.
SHAPE = {
    "cell": "lstm",
    "units": 512,
    "num_layers": 2,
    "embedding_dim": 256,
    "cutoffs": [],
    "dropout": 0.3,
    "input_dropout": 0.3,
    "hidden_dropout": 0.2,
    "token_dropout": 0.0,
    "weight_drop": 0.0,
    "activation_regularization": 0.0,
    "change_regularization": 0.0,
    "dtype": "float32",
}
# What suits the help topics: little text, much of it alike.
HELP_TOPICS = {
    "vocabulary_size": 1000,
    "units": 256,
    "num_layers": 1,
    "embedding_dim": 128,
    "window": 64,
    "batch_size": 32,
    "epochs": 14,
    "learning_rate": 0.006,
}
# By the optimizer, where they are not given.
OF_OPTIMIZER = {
    "adamw": {"learning_rate": 0.002, "patience": 3},
    "asgd": {"learning_rate": 30.0, "patience": 15},  # well above that of the average's trigger
}
PROMPT = "The "


def main() -> None:
    """Trains, measures, exports, and asks the export."""
    flags = read_flags()

    # === The data: a part to train on, one to stop by, one that is looked at once, at the end ===
    files = {
        "text_column": flags.text_column,
        "header": flags.header,
        "unit": flags.unit,
        "encoding": flags.encoding,
    }
    source = textlstm.open_texts(flags.data, files=flags.files, **files)
    more = [textlstm.open_texts(data, **files) for data in flags.more_data]
    check_columns(flags, [source, *more])
    split = textlstm.split_texts(
        source,
        more=more,
        test_part=flags.test_part,
        test_size=flags.test_size,
        validation_size=flags.validation_size,
        seed=flags.split_seed,
        limit=flags.limit,
        remove_leaks=flags.remove_leaks,
    )
    counts = f"texts: {counts_of(split)}"
    export = announce("generation", flags, source, split, counts)
    if flags.measure:
        model = load_to_measure(flags, textlstm.LanguageModel)
        evaluate(flags, model, source, split, flags.carry_states)
        return

    with RunFolder(export, vars(flags), flags.resume) as run_folder:
        # === The model: a new one, or one to fine-tune ===
        keras.utils.set_random_seed(flags.seed)
        if flags.init:
            model = load_to_fine_tune(flags, textlstm.LanguageModel)
        else:
            model = make_model(flags, split, run_folder.path)
        print(model.describe())
        parts = {
            part: encode(model, split, part, run_folder.path)
            for part in split.parts
            if part != "test"
        }
        train = model.make_batches(
            parts["train"],
            flags.batch_size,
            window=flags.window,
            carry_states=flags.carry_states,
            reset=flags.reset,
            shuffle=not flags.keep_order,
            seed=flags.seed,
            **({"max_batch_tokens": flags.max_batch_tokens} if flags.max_batch_tokens else {}),
        )
        if flags.max_batch_tokens and isinstance(train, StreamBatches):
            raise InputError(
                "--max-batch-tokens: the texts are read in windows, --batch-size of --window "
                "tokens; leave it out, or give smaller ones of those"
            )

        # === Train ===
        seconds_trained = run_folder.count_time()
        model.compile(make_optimizer(flags, flags.epochs * len(train)))
        model.fit(
            train,
            validation_data=parts.get("validation"),
            epochs=flags.epochs,
            early_stopping=flags.patience,
            average_weights=TriggeredAverage() if flags.optimizer == "asgd" else flags.average,
            checkpoint=run_folder.state,
            callbacks=[Samples(flags.prompt)],
        )
        seconds = seconds_trained()
        print(f"Trained in {seconds:.0f} s")

        # === Measure on what it never saw, as it will answer: in float32 on any machine ===
        if model.compute_dtype != "float32":
            model = model.with_options(dtype="float32")
        scores = evaluate(flags, model, source, split, isinstance(train, StreamBatches))

        # === Export, and ask the export ===
        version = export_with_card(model, flags, export, source, counts, seconds, scores)
        print(f"Exported to {version}; a continuation, with TensorFlow alone:")
        answer(version, flags.prompt)
        print("As a Keras model, piece by piece as they are drawn:")
        stream(version, flags.prompt)


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nFor the help topics: {flags_in_words(HELP_TOPICS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared_flags(
        parser,
        SHAPE,
        epochs=10,
        data_help="paths: text files, folders or archives of them, tables (.csv .tsv .jsonl, a "
        "text in each row), or what a classifier is trained on",
    )
    add = parser.add_argument_group("running text").add_argument
    add(
        "--unit",
        choices=UNITS,
        default="file",
        help="what of a text file is a text; default the file",
    )
    add(
        "--files",
        nargs="+",
        default=[],
        metavar="PATTERN",
        help="of a folder or archive of --data take the files whose paths are so: '*/pos/*'",
    )
    add(
        "--more-data",
        nargs="+",
        default=[],
        metavar="PATH",
        help="further texts for training only; those that are held out are left out",
    )
    add("--test-part", metavar="NAME", help="part of the data to test on; default 'test'")
    for part, size in (("test", 0.1), ("validation", 0.05)):
        add(
            f"--{part}-size",
            type=above_zero,
            default=size,
            metavar="SIZE",
            help=f"texts held out for {part}, where the data has no such part: below 1 a share "
            "(with fewer than 50 texts: of the end of each), else their number; "
            f"default {size}",
        )
    add(
        "--model-type",
        choices=["unigram", "bpe", "char", "byte", "word"],
        help="of the tokenizer; default unigram",
    )
    add("--vocabulary-size", type=positive, help="default: by the texts; of words: all")
    add(
        "--normalization",
        choices=NORMALIZATIONS,
        help="of a unigram, bpe or char tokenizer; those with _cf also lower-case; default: none, "
        "and spaces and line breaks are kept, so that texts are written as they are read",
    )
    add("--window", type=positive, default=128, help="tokens that are read at once; default 128")
    add(
        "--carry-states",
        action=argparse.BooleanOptionalAction,
        help="whether texts are put behind each other and states carried on; default: unless "
        "they are no longer than the window, on average",
    )
    add(
        "--reset",
        type=share,
        default=0.02,
        metavar="SHARE",
        help="share of the windows that begin with no states; default 0.02",
    )
    add("--keep-order", action="store_true", help="of the texts, in every epoch")

    add = parser.add_argument_group("language model").add_argument
    add("--embedding-dim", type=positive, help=f"default {SHAPE['embedding_dim']}")
    add(
        "--cutoffs",
        nargs="+",
        type=positive,
        metavar="ID",
        help="of a large vocabulary: the first ids of clusters of rare tokens, such as 4000 of "
        "30,000 words, for an adaptive softmax; default none",
    )
    for name, of in (
        ("dropout", "of the last layer's outputs"),
        ("input_dropout", "of the token vectors"),
        ("hidden_dropout", "between the layers"),
        ("token_dropout", "of whole words of the vocabulary"),
        ("weight_drop", "of the recurrent weights"),
    ):
        add(f"--{name.replace('_', '-')}", type=share, help=f"{of}; default {SHAPE[name]}")
    for name, of in (
        ("activation_regularization", "for small outputs"),
        ("change_regularization", "for outputs that change little from step to step"),
    ):
        add(f"--{name.replace('_', '-')}", type=not_negative, help=f"{of}; default {SHAPE[name]}")
    add(
        "--optimizer",
        choices=["adamw", "asgd"],
        default="adamw",
        help="asgd: plain gradients with a constant rate (default 30), and the mean of the weights "
        "since validation ceased to get better; default adamw",
    )
    add("--weight-decay", type=not_negative, default=0.0, help="default 0")
    add("--clip", type=above_zero, default=1.0, help="the longest gradient; default 1")
    add(
        "--patience",
        type=positive,
        help="epochs to wait for a better one; default 3, with asgd 15",
    )
    add("--prompt", default=PROMPT, help=f"what samples go on with; default {PROMPT!r}")
    parser.set_defaults(learning_rate=None)  # by the optimizer
    flags = parser.parse_args()
    of_new_models = (*SHAPE, "vocabulary_size", "model_type", "normalization")
    refuse_with_init(flags, of_new_models)
    if flags.normalization and flags.model_type in ("byte", "word"):
        raise InputError(
            f"--normalization {flags.normalization}: tokens of --model-type {flags.model_type} are "
            "not normalized; leave it out"
        )
    if flags.vocabulary_size and flags.model_type == "byte":
        raise InputError("--vocabulary-size: there are 256 bytes; leave it out")
    if flags.data == ["sample"]:
        suits = {n: v for n, v in HELP_TOPICS.items() if not (flags.init and n in of_new_models)}
        if flags.optimizer == "asgd":
            del suits["learning_rate"]
        parser.set_defaults(**suits)
        flags = parser.parse_args()
    given = [f"--{name}" for name in ("average", "warmup") if getattr(flags, name)]
    if flags.optimizer == "asgd" and given:
        raise InputError(
            f"{', '.join(given)}: --optimizer asgd has an average of its own and a constant rate; "
            "leave it out"
        )
    for name, value in OF_OPTIMIZER[flags.optimizer].items():
        if getattr(flags, name) is None:
            setattr(flags, name, value)
    return flags


def make_model(flags, split, folder: Path) -> textlstm.LanguageModel:
    """Makes a new model, with a tokenizer of the training texts."""
    given = {name: getattr(flags, name) for name in SHAPE if getattr(flags, name) is not None}
    return textlstm.LanguageModel(make_tokenizer(flags, split, folder), **{**SHAPE, **given})


def make_tokenizer(flags, split, folder: Path) -> textlstm.SentencePieceTokenizer:
    """Makes the tokenizer, or reads the one of the run that is resumed."""

    def texts():
        return (row.text for row in split.texts("train"))

    if flags.model_type == "byte":
        return textlstm.SentencePieceTokenizer.of_bytes()
    if flags.model_type == "word":
        counts = Counter(itertools.chain.from_iterable(map(words_of, texts())))
        words = [word for word, _ in counts.most_common(flags.vocabulary_size)]
        return textlstm.SentencePieceTokenizer.of_words(words)
    options = {"exact": True}
    if flags.normalization:
        options = {"normalization": flags.normalization}
    if flags.model_type == "char":
        options["character_coverage"] = 1.0 if flags.vocabulary_size is None else 0.9999
    return kept_tokenizer(
        folder / "tokenizer.model",
        texts,
        flags.vocabulary_size or (100_000 if flags.model_type == "char" else None),
        model_type=flags.model_type or "unigram",
        **options,
    )


def words_of(text: str) -> list[str]:
    """Returns what spaces part, and line breaks."""
    return [word for word in text.replace("\n", " \n ").split(" ") if word]


def encode(model, split, part: str, folder: Path) -> textlstm.EncodedCorpus:
    """Encodes a part to disk, or opens what the run that is resumed encoded."""
    folder = folder / part
    if folder.exists():
        return textlstm.EncodedCorpus.open(folder)
    corpus = model.encode((row.text for row in split.texts(part)), folder=folder)
    print(f"Encoded {part}: {len(corpus):,} texts, {corpus.tokens:,} tokens")
    return corpus


def make_optimizer(flags, steps: int) -> keras.optimizers.Optimizer:
    """Makes the optimizer: Adam's rate falls to nearly 0, along a cosine; SGD's stays."""
    options = {"global_clipnorm": flags.clip, "weight_decay": flags.weight_decay or None}
    if flags.optimizer == "asgd":
        return keras.optimizers.SGD(flags.learning_rate, **options)
    return Adam(cosine_schedule(flags.learning_rate, steps, flags.warmup), **options)


class Samples(keras.callbacks.Callback):
    """Prints after each epoch how the model goes on with a prompt."""

    def __init__(self, prompt: str):
        super().__init__()
        self.prompt = prompt

    def on_epoch_end(self, epoch, logs=None):
        """Prints one line."""
        (text,) = self.model.generate([self.prompt], max_tokens=60, temperature=0.8, seed=epoch)
        print(f"\n  {self.prompt}{text}"[:160].replace("\n", "\n  ").rstrip())


def evaluate(flags, model, source, split, carry_states: bool | None) -> dict[str, float]:
    """Measures on the test part, its texts read one behind the other, or each by itself.

    Args:
        flags: the recipe's.
        model: the model.
        source: the data.
        split: its parts.
        carry_states: whether they are read one behind the other, as the model was trained; `None`:
            by their length.

    Returns:
        The scores by their names.
    """
    if "test" not in split.parts:
        return {}
    texts = [row.text for row in split.texts("test")]
    if carry_states is None:
        batches = model.make_batches(model.encode(texts), 1, window=flags.window)
        carry_states = isinstance(batches, StreamBatches)
    found = model.evaluate(texts, carry_states=carry_states)
    where = f"test, {len(texts):,} texts" if len(texts) > 1 else "test"
    if isinstance(source, PythonTopics):  # each Python has other help topics
        where += f" of Python {platform.python_version()}"
    names = {
        "loss": "nats per token",
        "perplexity": "perplexity per token",
        "bits_per_character": "bits per character",
        "bits_per_byte": "bits per byte",
        "word_perplexity": "perplexity per word",
    }
    scores = {f"{where}, {name}": found[key] for key, name in names.items()}
    for name, score in scores.items():
        print(f"{name[0].upper()}{name[1:]}: {score:,.4f}")
    if unknown := found["unknown_tokens"]:
        print(
            f"({unknown:,} of the {found['tokens']:,} tokens are unknown to the model: what they "
            "stand for is not measured, so these figures are too good)"
        )
    return scores


def answer(version: Path, prompt: str) -> None:
    """Loads an exported version as one would who has TensorFlow only, and prints what it says."""
    generate = tf.saved_model.load(str(version)).signatures["serving_default"]
    (text,) = generate(prompt=tf.constant([prompt]))["text"].numpy()
    print(indented(f"{prompt}{text.decode()}"))


def stream(version: Path, prompt: str) -> None:
    """Loads the twin of an exported version and prints a text as it is written."""
    model = textlstm.load(version)
    print(indented(prompt), end="", flush=True)
    for piece in model.stream(prompt, max_tokens=120, temperature=0.8, seed=1):
        print(piece.replace("\n", "\n    "), end="", flush=True)
    print()


def indented(text: str) -> str:
    """Returns a text with its lines set in."""
    return "    " + text.replace("\n", "\n    ")


run(main)
