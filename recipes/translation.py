r"""Trains a translator and exports a folder that takes strings and gives strings.

The embedded phrase book, English to Chinese, which was written for this project:

    python recipes/translation.py

(under two minutes on two CPU cores: 98.4 BLEU on 1,000 sentences that training never saw put
together so, and 6.7 on 230 that were written freely, as little else is in a phrase book.)

Two aligned files, or a table whose first two columns are the texts and their translations:

    python recipes/translation.py --data train.en train.de --target-language de
    python recipes/translation.py --data cmn.txt --target-language zh

The pairs of Multi30k (https://github.com/multi30k/dataset), a folder with train.en, val.en,
test_2016_flickr.en and the same for .de:

    python recipes/translation.py --data task1/raw --source-language en --target-language de \
        --test-part test_2016_flickr
"""

import argparse
import importlib.util
import shutil
from pathlib import Path

from common import (
    RunFolder,
    above_zero,
    add_held_out_sizes,
    add_shared_flags,
    announce,
    brings_columns,
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
    quiet,
    refuse_with_init,
    run,
    share,
    tf,
)

import textlstm
from textlstm.data import EncodedPairs, PhraseBookSource
from textlstm.insight import draw_alignment
from textlstm.tasks import Adam, TranslationScore, cosine_schedule, score_translations

# The shape of a new model; with --init it is that of the model given, but for BESIDE_WEIGHTS.
SHAPE = {
    "cell": "lstm",
    "units": 256,
    "num_layers": 1,
    "embedding_dim": 256,
    "attention": "scaled",
    "attend": "last",
    "input_feeding": False,
    "residual": False,
    "dropout": 0.3,
    "token_dropout": 0.1,
    "max_tokens": 128,
    "beam_size": 4,
    "length_penalty": 1.0,
    "dtype": "float32",
}
# What suits the phrase book: few words, none of them rare, put together in ever new ways.
PHRASE_BOOK = {
    "source_language": "en",
    "target_language": "zh",
    "model_type": "bpe",
    "dropout": 0.1,
    "token_dropout": 0.05,
    "epochs": 4,
    "batch_size": 32,
    "learning_rate": 0.004,
    "warmup": 0.1,
}
# Validation texts that are translated after each epoch, to tell the best one by BLEU.
SCORED_TEXTS = 500


def main() -> None:
    """Trains, scores, exports, and asks the export."""
    flags = read_flags()

    # === The data: a part to train on, one to stop by, one that is looked at once, at the end ===
    columns = {
        "source_language": flags.source_language,
        "target_language": flags.target_language,
        "text_column": flags.text_column,
        "label_column": flags.label_column,
        "header": flags.header,
        "encoding": flags.encoding,
    }
    source = textlstm.open_pairs(flags.data, **columns)
    more = [open_more(data, flags, columns) for data in flags.more_data]
    check_columns(flags, [source, *more])
    split = textlstm.split_pairs(
        source,
        more=more,
        test_part=flags.test_part,
        test_size=flags.test_size,
        validation_size=flags.validation_size,
        seed=flags.split_seed,
        limit=flags.limit,
        remove_leaks=flags.remove_leaks,
    )
    counts = f"{counts_of(split)} pairs"
    export = announce("translation", flags, source, split, counts)
    if flags.measure:
        evaluate(flags, load_to_measure(flags, textlstm.Translator), source, split)
        return

    with RunFolder(export, vars(flags), flags.resume) as run_folder:
        # === The model: a new one, or one to fine-tune ===
        keras.utils.set_random_seed(flags.seed)
        if flags.init:
            model = load_to_fine_tune(flags, textlstm.Translator)
        else:
            model = make_model(flags, split, run_folder.path)
        print(model.describe())
        train = encode(model, split, "train", run_folder.path)
        validation = encode(model, split, "validation", run_folder.path)

        # === Train: the learning rate falls to nearly 0, along a cosine, over all epochs ===
        seconds_trained = run_folder.count_time()
        steps = count_steps(flags, model, train)
        rate = cosine_schedule(flags.learning_rate, flags.epochs * steps, flags.warmup)
        model.compile(
            Adam(rate, global_clipnorm=1.0),
            label_smoothing=flags.label_smoothing,
        )
        model.fit(
            train,
            validation_data=validation,
            batch_size=flags.batch_size,
            max_batch_tokens=flags.max_batch_tokens,
            max_ratio=flags.max_ratio,
            epochs=flags.epochs,
            subword_sampling=flags.subword_sampling,
            average_weights=flags.average,
            callbacks=stop_by(flags, split),
            checkpoint=run_folder.state,
            seed=flags.seed,
        )
        seconds = seconds_trained()
        print(f"Trained in {seconds:.0f} s")

        # === Score what it never saw, as it will answer: in float32 on any machine ===
        if model.compute_dtype != "float32":
            model = model.with_options(dtype="float32")
        scores = evaluate(flags, model, source, split)

        # === Export, and ask the export, with TensorFlow alone ===
        version = export_with_card(model, flags, export, source, counts, seconds, scores)
        texts = first_texts(split)
        print(f"Exported to {version}; it answers:")
        answer(version, texts)
        draw_attention(model, texts[0], version / "assets.extra" / "attention.png")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nFor the phrase book: {flags_in_words(PHRASE_BOOK)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared_flags(
        parser,
        SHAPE,
        epochs=10,
        data_help="a path: the two aligned files, one table (.tsv .txt .csv .jsonl, texts and "
        "translations its first columns), an archive with a table, or a folder or NAME with files "
        "that end with the languages",
        label="translations",
    )
    add = parser.add_argument_group("translator").add_argument
    add("--source-language", metavar="NAME", help="of the texts: how files end, or a column's name")
    add(
        "--target-language",
        metavar="NAME",
        help="likewise of the translations; zh also scores Chinese by its characters",
    )
    add(
        "--more-data",
        nargs="+",
        default=[],
        metavar="PATH",
        help="further pairs for training only; those with a text of another part are left out",
    )
    add("--test-part", metavar="NAME", help="part of the data to test on; default 'test'")
    add_held_out_sizes(
        add,
        "pairs held out for {part}, where the data has no such part: below 1 a share, else their "
        "number",
    )
    add(
        "--max-ratio",
        type=above_zero,
        default=4.0,
        help="leave out training pairs with one side over so many times as long as the other; "
        "default 4",
    )
    add("--vocabulary-size", type=positive, help="of each tokenizer; default: by the texts")
    add(
        "--model-type",
        choices=["unigram", "bpe"],
        help="of the tokenizers; default unigram (of the phrase book bpe: unigram makes no pieces "
        "of words that have no relatives)",
    )
    add(
        "--shared-vocabulary",
        action="store_const",
        const=True,
        help="one tokenizer and one embedding for both languages",
    )
    add(
        "--subword-sampling",
        type=above_zero,
        metavar="ALPHA",
        help="train on other pieces of the same texts in every epoch; 0.1 is usual, less is wilder",
    )
    add("--embedding-dim", type=positive, help=f"default {SHAPE['embedding_dim']}")
    add(
        "--attention",
        choices=["scaled", "dot", "general", "additive"],
        help=f"default {SHAPE['attention']}",
    )
    add(
        "--attend",
        choices=["first", "last"],
        help=f"which layer of the decoder asks; default {SHAPE['attend']}",
    )
    for name, does in (
        ("input_feeding", "let the decoder read its last output, step by step"),
        ("residual", "let layers add their input to their output"),
    ):
        add(f"--{name.replace('_', '-')}", action="store_const", const=True, help=does)
    add("--dropout", type=share, help=f"of features; default {SHAPE['dropout']}")
    add("--token-dropout", type=share, help=f"of tokens; default {SHAPE['token_dropout']}")
    add(
        "--max-tokens",
        type=positive,
        help=f"the most tokens of a text, and of a translation; default {SHAPE['max_tokens']}",
    )
    add(
        "--label-smoothing",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="share of the loss that asks for all tokens alike; default 0.1",
    )
    add("--patience", type=positive, default=3, help="epochs to wait for a better one; default 3")
    add(
        "--beam-size",
        type=positive,
        help="of the scored translations, and of those that the exported model gives; default "
        f"{SHAPE['beam_size']}, 1 is greedy search",
    )
    add(
        "--length-penalty",
        type=not_negative,
        help="likewise, above 1 for longer translations; default "
        f"{SHAPE['length_penalty']:g}, 0 for none",
    )
    flags = parser.parse_args()
    of_new_models = (*SHAPE, "vocabulary_size", "shared_vocabulary", "model_type")
    refuse_with_init(flags, of_new_models)
    if flags.data == ["sample"]:
        suits = {n: v for n, v in PHRASE_BOOK.items() if not (flags.init and n in of_new_models)}
        parser.set_defaults(**suits)
        flags = parser.parse_args()
    if can_score():  # else it would tell only after the training that it cannot do this language
        score_translations(["."], ["."], language=language(flags))
    return flags


def open_more(data: str, flags, columns: dict) -> textlstm.data.PairSource:
    """Opens data to add: as that of `--data`, or JSON lines beside other files by the languages."""
    if brings_columns(data, flags):
        columns = {name: columns[name] for name in ("source_language", "target_language")}
    return textlstm.open_pairs(data, **columns)


def make_model(flags, split, folder: Path) -> textlstm.Translator:
    """Makes a new model, with tokenizers trained on the training pairs."""

    def sides(*names):
        return (getattr(pair, name) for pair in split.pairs("train") for name in names)

    if flags.shared_vocabulary:
        tokenizers = [
            train_tokenizer(
                flags, lambda: sides("source", "target"), folder / "tokenizer.model", "both sides"
            )
        ]
    else:
        tokenizers = [
            train_tokenizer(flags, lambda: sides("source"), folder / "source.model", "the texts"),
            train_tokenizer(
                flags, lambda: sides("target"), folder / "target.model", "the translations"
            ),
        ]
    given = {name: getattr(flags, name) for name in SHAPE if getattr(flags, name) is not None}
    return textlstm.Translator(*tokenizers, **{**SHAPE, **given})


def train_tokenizer(flags, texts, path: Path, what: str) -> textlstm.SentencePieceTokenizer:
    """Trains a tokenizer, or reads the one of the run that is resumed."""
    # A translation is said as it is written: NFKC would make "，" a ",".
    normalization = "nmt_nfkc" if path.stem == "source" else "identity"
    return kept_tokenizer(
        path,
        texts,
        flags.vocabulary_size,
        what=f" for {what}",
        normalization=normalization,
        model_type=flags.model_type or "unigram",
    )


def encode(model, split, part: str, folder: Path) -> EncodedPairs:
    """Encodes a part to disk, or opens what the run that is resumed encoded."""
    folder = folder / part
    if (folder / "target").exists():
        return EncodedPairs.open(folder)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut off between the sides
    pairs = model.encode(
        (pair.source for pair in split.pairs(part)),
        (pair.target for pair in split.pairs(part)),
        folder=folder,
    )
    print(
        f"Encoded {part}: {len(pairs):,} pairs, {pairs.source.tokens:,} and "
        f"{pairs.target.tokens:,} tokens"
    )
    return pairs


def count_steps(flags, model, train: EncodedPairs) -> int:
    """Returns the number of batches in an epoch."""
    kept, _ = train.filtered(model.max_tokens, flags.max_ratio)
    return len(model.make_batches(kept, flags.batch_size, max_batch_tokens=flags.max_batch_tokens))


def stop_by(flags, split) -> list:
    """Returns the callbacks that find the best epoch: by BLEU, where it can be computed."""
    monitor, mode, callbacks = "val_loss", "min", []
    if can_score():
        monitor, mode = "val_bleu", "max"
        pairs = list(split.pairs("validation"))[:SCORED_TEXTS]
        callbacks = [
            TranslationScore(
                [pair.source for pair in pairs],
                [pair.target for pair in pairs],
                language=language(flags),
            )
        ]
    stopping = keras.callbacks.EarlyStopping(
        monitor=monitor, mode=mode, patience=flags.patience, restore_best_weights=True
    )
    return [*callbacks, stopping]


def can_score() -> bool:
    """Says whether sacrebleu is installed."""
    return importlib.util.find_spec("sacrebleu") is not None


def language(flags) -> str | None:
    """Returns the language, if it is one whose words no spaces part: "zh" of "zh-CN"."""
    name = (flags.target_language or "").lower().replace("_", "-").partition("-")[0]
    return name if name in ("zh", "ja", "ko") else None


def evaluate(flags, model, source, split) -> dict[str, float]:
    """Translates the test part and scores it; of the phrase book also the free sentences."""
    if not can_score():
        print('No scores: sacrebleu is not installed (pip install "textlstm[scores]")')
        return {}
    parts = {"test": list(split.pairs("test"))}
    if isinstance(source, PhraseBookSource):
        parts["freely written"] = list(source.pairs("written"))
    scores = {}
    for name, pairs in parts.items():
        translations = model.translate(
            [pair.source for pair in pairs],
            beam_size=flags.beam_size,
            length_penalty=flags.length_penalty,
        )
        references = [pair.target for pair in pairs]
        for lowercase in (False, True):
            found = score_translations(
                translations, references, language=language(flags), lowercase=lowercase
            )
            for metric, score in found.items():
                title = f"{name}, {len(pairs):,} texts, {metric}"
                print(f"{title[0].upper()}{title[1:]}: {score:.2f}")
                scores[title] = round(score, 2)
    return scores


def first_texts(split) -> list[str]:
    """Returns a few texts of the test part."""
    return [pair.source for pair, _ in zip(split.pairs("test"), range(4))]


def answer(version: Path, texts: list[str]) -> None:
    """Loads an exported version as one would who has TensorFlow only, and prints its answers."""
    translate = tf.saved_model.load(str(version)).signatures["serving_default"]
    answers = translate(text=tf.constant(texts))
    for text, translation in zip(texts, answers["translation"].numpy()):
        print(f"  {text}\n    {translation.decode()}")


def draw_attention(model, text: str, path: Path) -> None:
    """Draws what the translator looked at, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        print('No picture of the attention: pip install "textlstm[plots]"')
        return
    (alignment,) = model.align([text])
    try:
        with quiet():
            draw_alignment(alignment).savefig(path)
    except textlstm.InputError as error:  # no font for the language: the model is exported already
        print(f"No picture of the attention: {error}")
        return
    print(f"What it looked at: {path}")


run(main)
