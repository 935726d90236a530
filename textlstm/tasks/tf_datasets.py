"""`tf.data` pipelines of strings, turned into pipelines of ids by the tokenizer's graph.

Imports tensorflow; a task reaches it only when it is given a `tf.data.Dataset`.
"""

import keras
import tensorflow as tf

from textlstm.errors import InputError
from textlstm.tasks.serving import cut_rows


def encode_dataset(dataset: tf.data.Dataset, model) -> tf.data.Dataset:
    """Maps a batched dataset of texts to one of ids; one of ids passes through.

    Args:
        dataset: elements are `texts` or `(texts, labels[, weights])`: strings `[batch]`; names or
            numbers `[batch]`, or of a multi-label model zeros and ones `[batch, labels]`; floats
            `[batch]`.
        model: a `TextClassifier`.

    Returns:
        A dataset of `ids` or `(ids, labels[, weights])`, int32 `[batch, time]` and `[batch]`.

    Raises:
        InputError: if the dataset is not batched, or a multi-label model gets names.
    """
    spec = dataset.element_spec
    is_tuple = isinstance(spec, tuple)
    text_spec, *target_specs = spec if is_tuple else (spec,)
    if text_spec.dtype != tf.string:
        return dataset
    if text_spec.shape.rank != 1:
        raise InputError(
            f"the dataset's texts have shape {text_spec.shape}; batch it: dataset.batch(64)"
        )
    if model.multi_label and target_specs and target_specs[0].dtype == tf.string:
        raise InputError(
            "the dataset's labels are names; a multi-label model takes them from a tf.data.Dataset "
            "as zeros and ones, [batch, labels]"
        )
    tokenizer = model.tokenizer
    graph = tokenizer.graph
    numbers = keras.layers.StringLookup(vocabulary=list(model.labels), num_oov_indices=0)

    @tf.autograph.experimental.do_not_convert
    def encode(text, *targets):
        ids, _ = cut_rows(*graph.encode(text), model.max_tokens, tokenizer.end_id)
        if not is_tuple:
            return ids
        label, *weights = targets
        return ids, numbers(label) if label.dtype == tf.string else label, *weights

    return dataset.map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def encode_pair_dataset(dataset: tf.data.Dataset, model) -> tf.data.Dataset:
    """Maps a batched dataset of texts and translations to what `PairBatches` gives.

    Args:
        dataset: elements are `(texts, translations)`, strings `[batch]` each. Another kind of
            dataset passes through.
        model: a `Translator`. Sides that are longer than its `max_tokens` are cut.

    Returns:
        A dataset of `({"source": …, "target": …}, labels, weights)`.

    Raises:
        InputError: if the dataset is not batched.
    """
    specs = dataset.element_spec
    is_strings = isinstance(specs, tuple) and all(
        getattr(spec, "dtype", None) == tf.string for spec in specs
    )
    if not is_strings:
        return dataset
    if len(specs) != 2 or any(spec.shape.rank != 1 for spec in specs):
        shapes = ", ".join(str(spec.shape) for spec in specs)
        raise InputError(
            f"the dataset's strings have the shapes {shapes}; give (texts, translations), and "
            "batch them: dataset.batch(64)"
        )
    sides = model.source_tokenizer, model.target_tokenizer
    graphs = [tokenizer.graph for tokenizer in sides]

    @tf.autograph.experimental.do_not_convert
    def encode(*texts):
        source, labels = (
            cut_rows(*graph.encode(text), model.max_tokens, tokenizer.end_id)[0]
            for text, graph, tokenizer in zip(texts, graphs, sides)
        )
        begin = tf.fill([tf.shape(labels)[0], 1], model.begin_id)
        read = tf.concat([begin, labels[:, :-1]], axis=1)
        weights = tf.cast(labels != sides[1].pad_id, tf.float32)
        return {"source": source, "target": read}, labels, weights

    return dataset.map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
