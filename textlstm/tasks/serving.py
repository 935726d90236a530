"""The functions that a task's SavedModel answers with: strings in, strings out, stock TensorFlow.

This file imports tensorflow; a task reaches it only when it is exported.
"""

import tensorflow as tf

# Rows of at most this many tokens are computed together, however short they are.
_SHORT_ROW = 32
# Rows times tokens that one group of rows may hold: bounds the memory of a large batch.
_GROUP_TOKENS = 32_768


class Serving(tf.Module):
    """What is written to disk: the variables, the tokenizer's tables and the functions over them.

    Attributes:
        functions: dict from the name of a signature to its `tf.function`.
    """

    def __init__(self, model):
        super().__init__(name="serving")
        # The optimizer's variables are not among them: an export does not train.
        self.model_variables = [variable.value for variable in model.variables]
        self.tokenizer = model.tokenizer.graph
        self.functions = {}


def classifier_serving(model) -> Serving:
    """Makes the signatures of a `TextClassifier`: `serving_default`, `encode` and `decode`.

    Args:
        model: a built `TextClassifier`.

    Returns:
        The module to save.
    """
    serving = Serving(model)
    tokenizer = serving.tokenizer
    end_id, max_tokens = model.tokenizer.end_id, model.max_tokens

    def compute_probabilities(ids):  # [rows, width] → [rows, labels]
        return model.to_probabilities(model(ids, training=False))

    def classify(text):
        ids, lengths = cut_rows(*tokenizer.encode(text), max_tokens, end_id)
        probabilities = map_rows_by_length(
            compute_probabilities, ids, lengths, output_size=len(model.labels)
        )
        names = tf.constant(list(model.labels))
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "score": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": tf.tile(names[None], [tf.shape(text)[0], 1]),
        }

    serving.functions["serving_default"] = _signature(classify, text=tf.string)
    add_tokenizer_signatures(serving)
    return serving


def add_tokenizer_signatures(serving: Serving) -> None:
    """Adds `encode` (text to ids and lengths) and `decode` (the way back)."""
    tokenizer = serving.tokenizer

    def encode(text):
        ids, lengths = tokenizer.encode(text)
        return {"ids": ids, "lengths": lengths}

    def decode(ids, lengths):
        return {"text": tokenizer.decode(ids, lengths)}

    serving.functions["encode"] = _signature(encode, text=tf.string)
    serving.functions["decode"] = tf.function(
        decode,
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, name="ids"),
            tf.TensorSpec([None], tf.int32, name="lengths"),
        ],
    )


def cut_rows(ids, lengths, max_tokens: int, end_id: int):
    """Cuts rows to `max_tokens`; a row that is cut still ends with the end mark.

    Args:
        ids: int32, `[batch, width]`.
        lengths: int32, `[batch]`.
        max_tokens: the most tokens that a row keeps.
        end_id: the end mark.

    Returns:
        `(ids, lengths)`, `[batch, min(width, max_tokens)]` and `[batch]`.
    """
    kept = ids[:, :max_tokens]
    is_cut_end = (tf.range(tf.shape(kept)[1]) == max_tokens - 1) & (lengths > max_tokens)[:, None]
    return tf.where(is_cut_end, end_id, kept), tf.minimum(lengths, max_tokens)


def map_rows_by_length(compute, ids, lengths, output_size: int):
    """Runs `compute` on rows of like length together, so that long rows do not widen short ones.

    The rows are sorted by length and taken in groups: a group ends before the first row that is
    over twice as long as its shortest, and before it holds more than a fixed number of tokens. So
    no row is padded to more than twice its length (or `_SHORT_ROW`), and memory is bounded
    whatever the batch.

    Args:
        compute: from ids `[rows, width]` to floats `[rows, output_size]`.
        ids: int32, `[batch, width]`, padded right.
        lengths: int32, `[batch]`.
        output_size: number of outputs of a row.

    Returns:
        float32, `[batch, output_size]`, in the order of the rows given.
    """
    order = tf.argsort(lengths, stable=True)
    ids, lengths = tf.gather(ids, order), tf.gather(lengths, order)
    batch = tf.shape(ids)[0]

    def compute_group(start, outputs):
        limit = tf.maximum(_SHORT_ROW, 2 * lengths[start])
        alike = tf.searchsorted(lengths, limit[None], side="right")[0]
        stop = tf.minimum(alike, start + tf.maximum(1, _GROUP_TOKENS // limit))
        group = ids[start:stop, : lengths[stop - 1]]
        return stop, tf.concat([outputs, tf.cast(compute(group), tf.float32)], axis=0)

    _, outputs = tf.while_loop(
        lambda start, _: start < batch,
        compute_group,
        (tf.constant(0), tf.zeros([0, output_size])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, output_size])),
        parallel_iterations=1,
    )
    return tf.gather(outputs, tf.math.invert_permutation(order))


def _signature(function, **dtypes):
    """Traces `function` for vectors of any length, named as its arguments are."""
    return tf.function(
        function,
        autograph=False,
        input_signature=[tf.TensorSpec([None], dtype, name=name) for name, dtype in dtypes.items()],
    )
