"""Trains a classifier of sentiment, or of other labels, and exports a folder that takes strings.

The embedded sample, reviews in English and Chinese that were written for this project:

    python recipes/sentiment.py

    74 % of the unfolded test reviews (n-grams: 64 %); 3 minutes on 2 CPU cores

The IMDb reviews of https://ai.stanford.edu/~amaas/data/sentiment, as they come or unpacked:

    python recipes/sentiment.py --data aclImdb_v1.tar.gz

    88.4 % of the official 25,000 test reviews (n-grams: 90.7 %); 15 minutes on 2 CPU cores

A table of your own:

    python recipes/sentiment.py --data reviews.csv --text-column review --label-column stars

What a language model has learned from texts without labels (recipes/generation.py), to begin with:

    python recipes/sentiment.py --data reviews.csv --language-model models/generation-reviews
"""

import argparse
import itertools
from pathlib import Path

from common import (
    NORMALIZATIONS,
    RunFolder,
    above_zero,
    add_shared_flags,
    announce,
    brings_columns,
    check_columns,
    counts_of,
    export_with_card,
    fraction,
    kept_tokenizer,
    keras,
    load_of_kind,
    load_to_fine_tune,
    load_to_measure,
    positive,
    refuse_with_init,
    run,
    share,
    tf,
    whole,
)
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

import textlstm
from textlstm.data import BucketedBatches, SampleSource, initialize_embedding, own_vectors
from textlstm.tasks import (
    Adam,
    GradualUnfreezing,
    SlantedTriangularSchedule,
    cosine_schedule,
    discriminative_adam,
)

# The shape of a new model; with --init it is that of the model given, but for BESIDE_WEIGHTS.
SHAPE = {
    "cell": "lstm",
    "units": 128,
    "num_layers": 1,
    "embedding_dim": 128,
    "convolution": 0,
    "convolution_pool": 1,
    "convolution_filters": None,
    "pooling": "concat",
    "dropout": 0.5,
    "token_dropout": 0.2,
    "max_tokens": 512,
    "dtype": "float32",
}
# What of the shape may be given beside a language model, which brings the rest.
OF_TRANSFER = ("pooling", "dropout", "token_dropout", "max_tokens", "dtype")

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
    columns = {
        "text_column": flags.text_column,
        "label_column": flags.label_column,
        "header": flags.header,
        "label_separator": flags.label_separator,
        "label_names": dict(flags.label_names),
        "encoding": flags.encoding,
    }
    source = textlstm.open_source(flags.data, **columns)
    more = [open_more(data, flags, columns) for data in flags.more_data]
    check_columns(flags, [source, *more])
    split = textlstm.split_examples(
        source,
        more=more,
        validation_share=flags.validation_share,
        seed=flags.split_seed,
        limit=flags.limit,
        deduplicate=flags.deduplicate,
        remove_leaks=flags.remove_leaks,
    )
    counts = counts_of(split)
    labels = ", ".join(split.labels)
    export = announce("sentiment", flags, source, split, f"{counts}; labels: {labels}")
    if flags.measure:
        evaluate(load_with_labels(flags, split), source, split)
        return

    with RunFolder(export, vars(flags), flags.resume) as run_folder:
        # === The model: a new one, or one to fine-tune ===
        keras.utils.set_random_seed(flags.seed)
        model = load_model(flags, split) if flags.init else make_model(flags, split, run_folder)
        print(model.describe())
        train = encode(model, split, "train", run_folder.path / "train")
        validation = encode(model, split, "validation", run_folder.path / "validation")
        if flags.vectors and not run_folder.state.exists():  # a kept state has its own vectors
            set_vectors(flags, model, train)

        # === Train ===
        seconds_trained = run_folder.count_time()
        batches = BucketedBatches(
            train,
            flags.batch_size,
            pad_id=model.tokenizer.pad_id,
            max_batch_tokens=flags.max_batch_tokens,
        )
        model.compile(
            make_optimizer(flags, model, flags.epochs * len(batches)),
            label_smoothing=flags.label_smoothing,
            adversarial=flags.adversarial,
        )
        metric = "f1" if split.multi_label else "accuracy"
        join_in = unfreezing(flags)
        stopping = keras.callbacks.EarlyStopping(
            monitor=f"val_{metric}",
            mode="max",
            patience=2,
            restore_best_weights=True,
            start_from_epoch=max((callback.free_from(model) for callback in join_in), default=0),
        )
        model.fit(
            train,
            validation_data=validation,
            batch_size=flags.batch_size,
            max_batch_tokens=flags.max_batch_tokens,
            epochs=flags.epochs,
            class_weight=flags.class_weight,
            subword_sampling=flags.subword_sampling,
            average_weights=flags.average,
            callbacks=[*join_in, stopping],
            checkpoint=run_folder.state,
            seed=flags.seed,
        )
        seconds = seconds_trained()
        print(f"Trained in {seconds:.0f} s")

        # === Evaluate on what it never saw, as it will answer: in float32 on any machine ===
        if model.compute_dtype != "float32":
            model = model.with_options(dtype="float32")
        scores = evaluate(model, source, split)

        # === Export, and ask the export, with TensorFlow alone ===
        version = export_with_card(model, flags, export, source, counts, seconds, scores)
        print(f"Exported to {version}; it answers:")
        answer(version, SENTENCES if isinstance(source, SampleSource) else first_texts(split))


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_shared_flags(
        parser,
        SHAPE,
        epochs=4,
        data_help="a path: .csv .tsv .jsonl, a folder or an archive; several are used together",
        label="labels",
    )
    add = parser.add_argument_group("classifier").add_argument
    add(
        "--more-data",
        nargs="+",
        default=[],
        metavar="DATA",
        help="further texts for training only, such as recipes/pseudo_labels.py writes; those that "
        "are held out are left out; .jsonl beside other files is read as text and label in UTF-8",
    )
    add(
        "--validation-share",
        type=fraction,
        default=0.1,
        metavar="SHARE",
        help="of the training rows that the model is stopped by, where the data has no such part; "
        "default 0.1",
    )
    add(
        "--deduplicate",
        action="store_true",
        help="use each text once, and none that has different labels",
    )
    add(
        "--label-separator",
        metavar="TEXT",
        help="what stands between the labels of a row, where a text may have several",
    )
    add(
        "--label-names",
        nargs="+",
        type=old_and_new,
        default=[],
        metavar="OLD=NEW",
        help="other names for labels, such as 0=negative 1=positive; the same name makes them one",
    )
    add("--vocabulary-size", type=positive, help="of the tokenizer; default: by the amount of text")
    add(
        "--normalization",
        choices=NORMALIZATIONS,
        help="of the tokenizer; those with _cf also lower-case; default nmt_nfkc",
    )
    add(
        "--subword-sampling",
        type=above_zero,
        metavar="ALPHA",
        help="train on other pieces of the same texts in every epoch; 0.1 is usual, less is wilder",
    )
    add(
        "--vectors",
        nargs="+",
        metavar="FILE",
        help="begin the embedding with word vectors (files of word2vec, fastText, GloVe, as text); "
        "'own' makes them from the neighbours of each token in the training texts",
    )
    add(
        "--embedding-dim",
        type=positive,
        help=f"size of the token vectors; default {SHAPE['embedding_dim']}",
    )
    add(
        "--convolution",
        type=whole,
        metavar="WIDTH",
        help="let a convolution of so many tokens stand before the recurrent layer; default "
        f"{SHAPE['convolution'] or '0, none'}",
    )
    add(
        "--convolution-pool",
        type=positive,
        metavar="STEPS",
        help=f"steps of the convolution that become one; default {SHAPE['convolution_pool']}",
    )
    add(
        "--convolution-filters",
        type=positive,
        metavar="NUMBER",
        help="size of the vectors that the convolution gives; default "
        f"{SHAPE['convolution_filters'] or 'that of the token vectors'}",
    )
    add(
        "--pooling",
        choices=["concat", "last", "mean", "max", "attention"],
        help=f"over the tokens (concat: last, mean and max); default {SHAPE['pooling']}",
    )
    add(
        "--max-tokens",
        type=positive,
        help=f"longer texts are cut to so many; default {SHAPE['max_tokens']}",
    )
    add(
        "--dropout",
        type=share,
        help=f"of features; default {SHAPE['dropout']}, with --language-model 0.4",
    )
    add(
        "--token-dropout",
        type=share,
        help=f"of tokens; default {SHAPE['token_dropout']}, with --language-model 0.1",
    )
    add(
        "--class-weight",
        choices=["balanced"],
        help="'balanced' gives rare labels as much weight as frequent ones",
    )
    add(
        "--label-smoothing",
        type=share,
        default=0.0,
        metavar="SHARE",
        help="share of the loss that asks for all labels alike; default 0",
    )
    add(
        "--adversarial",
        type=share,
        default=0.0,
        metavar="SIZE",
        help="train also on token vectors that are moved for the worse, by this share of their "
        "norm, such as 0.02; a step takes twice as long; default 0, none",
    )
    add = parser.add_argument_group("transfer from a language model").add_argument
    add(
        "--language-model",
        metavar="FOLDER",
        help="begin with the tokenizer and the layers of the language model exported there; the "
        "learning rate then rises and falls in lines, to 0.004 by default",
    )
    add(
        "--language-loss",
        type=share,
        metavar="WEIGHT",
        help="of the loss of predicting each next token, beside that of the labels; default 0",
    )
    add(
        "--unfreeze-epochs",
        type=whole,
        metavar="EPOCHS",
        help="after which one layer more trains, from the top; 0: all train from the first; "
        "default 1",
    )
    add(
        "--rate-decay",
        type=above_zero,
        metavar="FACTOR",
        help="by which the learning rate of each layer is lower than of the one above; default 1.6",
    )
    parser.set_defaults(learning_rate=None)  # by whether there is a language model
    flags = parser.parse_args()
    if flags.learning_rate is None:
        flags.learning_rate = 4e-3 if flags.language_model else 2e-3
    of_new_models = (*SHAPE, "vocabulary_size", "normalization", "vectors", "language_model")
    refuse_with_init(flags, of_new_models)
    check_transfer(flags)
    width = SHAPE["convolution"] if flags.convolution is None else flags.convolution
    for flag in ("convolution_pool", "convolution_filters"):
        if getattr(flags, flag) is not None and not width:
            name = flag.replace("_", "-")
            raise textlstm.InputError(
                f"--{name}: there is no convolution; give --convolution WIDTH too"
            )
    return flags


def check_transfer(flags) -> None:
    """Refuses flags that make no sense with a language model, or without one."""
    if not flags.language_model:
        for name in ("language_loss", "unfreeze_epochs", "rate_decay"):
            if getattr(flags, name) is not None:
                flag = f"--{name.replace('_', '-')}"
                raise textlstm.InputError(f"{flag}: give --language-model FOLDER too")
        return
    own = set(SHAPE) - set(OF_TRANSFER) | {"vocabulary_size", "normalization", "vectors"}
    given = [f"--{name.replace('_', '-')}" for name in sorted(own) if getattr(flags, name)]
    given += ["--warmup"] if flags.warmup else []
    if flags.average and flags.unfreeze_epochs != 0:
        raise textlstm.InputError(
            "--average: goes with a language model only if all layers train from the first; give "
            "--unfreeze-epochs 0 too"
        )
    if given:
        raise textlstm.InputError(
            f"{', '.join(given)}: does not go with --language-model {flags.language_model}, which "
            "brings its layers and is unfrozen bit by bit; leave it out"
        )


def open_more(data: str, flags, columns: dict) -> textlstm.data.Source:
    """Opens data to add: as that of `--data`, or JSON lines beside other files by themselves."""
    if brings_columns(data, flags):
        columns = {"label_names": columns["label_names"]}
    return textlstm.open_source(data, **columns)


def old_and_new(text: str) -> tuple[str, str]:
    """Reads OLD=NEW from the command line."""
    old, sign, new = text.partition("=")
    if not (old and sign and new):
        raise argparse.ArgumentTypeError(f"must be OLD=NEW, got {text!r}")
    return old, new


def load_model(flags, split) -> textlstm.TextClassifier:
    """Loads the model to fine-tune, and gives it the labels of the data."""
    model = load_to_fine_tune(flags, textlstm.TextClassifier)
    if model.multi_label != split.multi_label:
        kinds = ("one label", "any number of labels")
        raise textlstm.InputError(
            f"--init {flags.init}: the model gives a text {kinds[model.multi_label]}, in the data "
            f"it has {kinds[split.multi_label]}; leave out --init"
        )
    model.adopt_labels(split.labels)
    return model


def load_with_labels(flags, split) -> textlstm.TextClassifier:
    """Loads the model to measure, which must have the labels of the data."""
    model = load_to_measure(flags, textlstm.TextClassifier)
    missing = sorted(set(split.labels) - set(model.labels))
    if missing or model.multi_label != split.multi_label:
        raise textlstm.InputError(
            f"--measure {flags.measure}: the model's labels are {', '.join(model.labels)}, "
            f"the data's {', '.join(split.labels)}; rename them with --label-names OLD=NEW, or "
            "give another model"
        )
    return model


def make_model(flags, split, run_folder: RunFolder) -> textlstm.TextClassifier:
    """Makes a new model: of a language model's layers, or with a tokenizer of its own."""
    given = {name: getattr(flags, name) for name in SHAPE if getattr(flags, name) is not None}
    if flags.language_model:
        print(f"Beginning with {flags.language_model}")
        return textlstm.TextClassifier.from_language_model(
            load_of_kind("--language-model", flags.language_model, textlstm.LanguageModel),
            split.labels,
            multi_label=split.multi_label,
            language_loss=flags.language_loss or 0.0,
            **{"dtype": SHAPE["dtype"], "max_tokens": SHAPE["max_tokens"], **given},
        )
    return textlstm.TextClassifier(
        train_tokenizer(flags, split, run_folder.path),
        split.labels,
        multi_label=split.multi_label,
        **{**SHAPE, **given},
    )


def make_optimizer(flags, model, steps: int) -> keras.optimizers.Optimizer:
    """Makes Adam: its rate falls along a cosine; of a language model's layers it differs."""
    if flags.language_model:
        rate = SlantedTriangularSchedule(flags.learning_rate, steps)
        decay = 1.6 if flags.rate_decay is None else flags.rate_decay
        return discriminative_adam(model, rate, decay=decay)
    return Adam(cosine_schedule(flags.learning_rate, steps, flags.warmup), global_clipnorm=1.0)


def unfreezing(flags) -> list:
    """Returns the callback that lets the layers of a language model join in one by one."""
    epochs = 1 if flags.unfreeze_epochs is None else flags.unfreeze_epochs
    return [GradualUnfreezing(epochs)] if flags.language_model and epochs else []


def train_tokenizer(flags, split, folder: Path) -> textlstm.SentencePieceTokenizer:
    """Trains the tokenizer on the training texts, or reads the one of the run that is resumed."""

    def texts():
        return (example.text for example in split.examples("train"))

    options = {"normalization": flags.normalization} if flags.normalization else {}
    return kept_tokenizer(folder / "tokenizer.model", texts, flags.vocabulary_size, **options)


def encode(model, split, part: str, folder: Path) -> textlstm.EncodedCorpus:
    """Encodes a part to disk, or opens what the run that is resumed encoded."""
    if folder.exists():
        return textlstm.EncodedCorpus.open(folder)
    corpus = model.encode(split.examples(part), folder=folder)
    cut = f"; {corpus.cut:,} are cut to {model.max_tokens} tokens" if corpus.cut else ""
    print(f"Encoded {part}: {len(corpus):,} texts, {corpus.tokens:,} tokens{cut}")
    return corpus


def set_vectors(flags, model, train) -> None:
    """Begins the embedding with vectors made from the training texts, or from files."""
    if flags.vectors == ["own"]:
        shape = model.tokenizer.vocabulary_size, model.embedding.output_dim
        model.embedding.set_weights([own_vectors(train, *shape, seed=flags.seed)])
    else:
        print(initialize_embedding(model.embedding, model.tokenizer, flags.vectors, train))


def evaluate(model, source, split) -> dict[str, float]:
    """Scores the model, and beside it a linear model over n-grams, trained on the same rows."""
    print("Training a linear model over n-grams on the same rows, to compare with")
    train = list(split.examples("train"))
    baseline = textlstm.train_ngram_baseline([e.text for e in train], [e.label for e in train])
    metric = "micro F1" if split.multi_label else "accuracy"
    scores = {}
    for part, examples in evaluation_parts(source, split).items():
        texts = [example.text for example in examples]
        labels = [example.label for example in examples]
        ours, theirs = model.classify(texts), baseline.predict(texts)
        for name, rows in slices(part, source, examples).items():
            truth = [labels[row] for row in rows]
            score = compare(truth, [ours[row] for row in rows])
            other = compare(truth, [theirs[row] for row in rows])
            title = f"{metric}, {name}, {len(rows):,} texts"
            print(f"{title[0].upper()}{title[1:]}: {score:.2%} (n-grams: {other:.2%})")
            scores[title] = score
            scores[f"{metric}, {name}, linear model over n-grams"] = other
    return scores


def evaluation_parts(source, split) -> dict[str, list]:
    """Returns the examples to evaluate on, by part."""
    parts = {"test": list(split.examples("test"))}
    if isinstance(source, SampleSource):
        parts["written"] = list(source.examples("written"))
    return parts


def slices(part: str, source, examples) -> dict[str, list[int]]:
    """Returns the rows to score, by name: all of them, and those of each source or language."""
    rows = {"test": list(range(len(examples)))} if part == "test" else {}
    if isinstance(source, SampleSource):
        kind = "unfolded" if part == "test" else "freely written"
        for language, prefix in (("English", "sample/en"), ("Chinese", "sample/zh")):
            chosen = [row for row, e in enumerate(examples) if e.where.startswith(prefix)]
            rows[f"{kind}, {language}"] = chosen
    for name in dict.fromkeys(example.source for example in examples if example.source):
        rows[f"{part}, {name}"] = [row for row, e in enumerate(examples) if e.source == name]
    return {name: chosen for name, chosen in rows.items() if chosen}  # --limit may leave none


def compare(truth: list, answers: list) -> float:
    """Returns the accuracy, or of tuples of labels the micro-averaged F1 score."""
    if not isinstance(truth[0], tuple):
        return float(accuracy_score(truth, answers))
    table = MultiLabelBinarizer().fit([*truth, *answers])
    if not len(table.classes_):  # no label anywhere
        return 0.0
    hits = table.transform(truth), table.transform(answers)
    return float(f1_score(*hits, average="micro", zero_division=0.0))


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
