r"""What TensorFlow's tutorial model reaches on the pairs that `recipes/translation.py` trains on.

    python benchmarks/translation_baseline.py --data spa.txt --text-column 1 --label-column 0 \
        --source-language es --target-language en --test-size 3000 --validation-size 1000

The model of the tutorial "Neural machine translation with attention", made of stock Keras layers:
`TextVectorization` of 5,000 words (of languages without spaces characters), lower-cased and rid of
accents and odd signs, a bidirectional GRU of 256 units whose directions are added, a GRU of 256
units with one head of attention, greedy translation; Adam with a rate of 0.001, batches of 64, the
best epoch by the validation loss. Data, split and scores are those of the recipe, with the same
flags.
"""

import argparse
import re
import time
import unicodedata

from measuring import add_output_flag, write_results

import keras  # isort: skip  (common sets the environment first)
import numpy as np
import tensorflow as tf
from keras import layers

import textlstm
from textlstm.tasks import score_translations

UNITS = 256
VOCABULARY = 5_000
START, END = "[START]", "[END]"


def main() -> None:
    """Trains the model, scores it, and writes the results."""
    flags = read_flags()
    split = open_split(flags)
    counts = ", ".join(f"{count:,} {part}" for part, count in split.counts.items())
    print(f"{split.source.description}: {counts} pairs")
    keras.utils.set_random_seed(flags.seed)
    texts = {
        part: (
            [prepare(pair.source, flags.source_language) for pair in split.pairs(part)],
            [prepare(pair.target, flags.target_language) for pair in split.pairs(part)],
        )
        for part in split.parts
    }
    source, target = (make_vectorization(side) for side in texts["train"])
    model = make_model(source.vocabulary_size(), target.vocabulary_size())
    model.summary(print_fn=lambda line: None)
    print(f"{model.count_params():,} parameters")
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    )
    started = time.perf_counter()
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    history = model.fit(
        make_batches(texts["train"], source, target, shuffle=True),
        validation_data=make_batches(texts["validation"], source, target, shuffle=False),
        epochs=flags.epochs,
        callbacks=[stopping],
        shuffle=False,  # the batches are drawn anew in each epoch already
        verbose=2,
    )
    seconds = time.perf_counter() - started

    references = [pair.target for pair in split.pairs("test")]
    translations = translate(model, texts["test"][0], source, target, flags.target_language)
    scores = {}
    for lowercase in (False, True):
        language = "zh" if flags.target_language == "zh" else None
        scores |= score_translations(
            translations, references, language=language, lowercase=lowercase
        )
    for name, score in scores.items():
        print(f"{name}: {score:.2f}")
    for pair, found, _ in zip(split.pairs("test"), translations, range(5)):
        print(f"  {pair.source}\n    {found}")
    results = {
        "data": split.source.name,
        "counts": split.counts,
        "scores": scores,
        "best_epoch": stopping.best_epoch + 1,
        "validation_loss": history.history["val_loss"],
        "seconds": seconds,
    }
    write_results(flags.output, results)
    print(f"Written to {flags.output}.json")


def read_flags() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["sample"])
    parser.add_argument("--more-data", nargs="+", default=[])
    parser.add_argument("--text-column")
    parser.add_argument("--label-column")
    parser.add_argument("--source-language", required=True)
    parser.add_argument("--target-language", required=True)
    parser.add_argument("--test-part")
    parser.add_argument("--test-size", type=float, default=0.05)
    parser.add_argument("--validation-size", type=float, default=0.05)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split-seed", type=int, default=0, help="as of the recipe; default 0")
    add_output_flag(parser, "translation_baseline")
    return parser.parse_args()


def open_split(flags) -> textlstm.data.PairSplit:
    """Divides the pairs as the recipe does."""
    languages = {
        "source_language": flags.source_language,
        "target_language": flags.target_language,
    }
    if flags.data == ["sample"]:
        languages = {}
    source = textlstm.open_pairs(
        flags.data, text_column=flags.text_column, label_column=flags.label_column, **languages
    )
    return textlstm.split_pairs(
        source,
        more=[textlstm.open_pairs(data, **languages) for data in flags.more_data],
        test_part=flags.test_part,
        test_size=flags.test_size,
        validation_size=flags.validation_size,
        seed=flags.split_seed,
        limit=flags.limit,
    )


def prepare(text: str, language: str) -> str:
    """Returns the tokens of a text with spaces between."""
    if language == "zh":
        characters = text.replace(" ", "")
        return f"{START} {' '.join(characters)} {END}"
    text = unicodedata.normalize("NFKD", text).lower()
    text = re.sub(r"[^ a-z.?!,¿]", "", text)
    text = re.sub(r"([.?!,¿])", r" \1 ", text)
    return f"{START} {' '.join(text.split())} {END}"


def make_vectorization(texts: list[str]) -> layers.TextVectorization:
    """Makes the layer from texts to ids."""
    layer = layers.TextVectorization(
        max_tokens=VOCABULARY, standardize=None, split="whitespace", ragged=True
    )
    layer.adapt(texts)
    return layer


def make_batches(sides, source, target, shuffle: bool) -> tf.data.Dataset:
    """Batches of 64 in random order, padded to the longest."""
    rows = tf.data.Dataset.from_tensor_slices(tuple(map(tf.constant, sides)))
    if shuffle:
        rows = rows.shuffle(len(sides[0]), seed=0)

    def encode(text, translation):
        read, said = source(text).to_tensor(), target(translation).to_tensor()
        return (read, said[:, :-1]), said[:, 1:]

    return rows.batch(64).map(encode, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def make_model(source_size: int, target_size: int) -> keras.Model:
    """Makes the tutorial's model."""
    read, said = (keras.Input((None,), dtype="int64") for _ in range(2))
    memory = layers.Embedding(source_size, UNITS, mask_zero=True)(read)
    memory = layers.Bidirectional(layers.GRU(UNITS, return_sequences=True), merge_mode="sum")(
        memory
    )
    hidden = layers.Embedding(target_size, UNITS, mask_zero=True)(said)
    hidden = layers.GRU(UNITS, return_sequences=True)(hidden)
    attended = layers.MultiHeadAttention(num_heads=1, key_dim=UNITS)(query=hidden, value=memory)
    hidden = layers.LayerNormalization()(layers.Add()([hidden, attended]))
    return keras.Model([read, said], layers.Dense(target_size)(hidden))


def translate(model, texts, source, target, language: str, longest: int = 60) -> list[str]:
    """Translates greedily; the unknown word is never said."""
    names = target.get_vocabulary()
    start, end = names.index(START), names.index(END)
    predict = tf.function(lambda read, said: model([read, said])[:, -1], reduce_retracing=True)
    found = []
    for begin in range(0, len(texts), 100):
        read = source(tf.constant(texts[begin : begin + 100])).to_tensor()
        said = np.full((len(read), 1), start)
        for _ in range(longest):
            logits = np.array(predict(read, tf.constant(said, tf.int64)))
            logits[:, :2] = -np.inf  # padding and unknown
            said = np.append(said, logits.argmax(axis=1)[:, None], axis=1)
            if (said == end).any(axis=1).all():
                break
        for row in said[:, 1:]:
            words = [names[i] for i in row[: np.argmax(np.append(row, end) == end)]]
            found.append(join(words, language))
    return found


def join(words: list[str], language: str) -> str:
    """Puts words, or characters, together as they are written."""
    if language == "zh":
        return "".join(words)
    return re.sub(r" ([.?!,])", r"\1", " ".join(words)).replace("¿ ", "¿")


if __name__ == "__main__":
    main()
