"""The functions that a task's SavedModel answers with: strings in, strings out, stock TensorFlow.

This file imports tensorflow; a task reaches it only when it is exported.
"""

from contextlib import nullcontext

import keras
import tensorflow as tf

from textlstm.kernels.custom_gradient import without_gradients
from textlstm.tasks.packed_weights import PackedWeight, is_packed

# Rows of at most this many tokens are computed together, however short they are.
_SHORT_ROW = 32
# Rows times tokens that one group of rows may hold: bounds the memory of a large batch.
_GROUP_TOKENS = 32_768


class Serving(tf.Module):
    """What is written to disk: the variables, the tokenizers' tables and the functions over them.

    Args:
        model: a built task.
        **graphs: the tokenizers' graphs (`SentencePieceTokenizer.graph`), by any name.

    Attributes:
        functions: dict from the name of a signature to its `tf.function`.
    """

    def __init__(self, model, **graphs):
        super().__init__(name="serving")
        # The optimizer's variables are not among them: an export does not train.
        self.weights = [variable.value for variable in model.variables]
        for name, graph in graphs.items():
            setattr(self, name, graph)
        self.functions = {}
        self._weights_as_read = nullcontext

    def add(self, name: str, function, **kinds) -> None:
        """Adds a signature: a function that takes vectors of any length, or other tensors.

        Args:
            name: of the signature.
            function: from tensors, in the order of `kinds`, to a dict of tensors.
            **kinds: for each argument the type of its vector, or a `tf.TensorSpec`. The tensors are
                named as the arguments are.
        """
        self.functions[name] = self.share(function, **kinds)

    def share(self, function, **kinds):
        """Returns a function that is written once, however many signatures call it.

        Args:
            function: from tensors, in the order of `kinds`, to tensors in any structure.
            **kinds: as of `add`.
        """

        def compute(*arguments):
            with without_gradients(), self._weights_as_read():
                return function(*arguments)

        return tf.function(
            compute,
            autograph=False,
            input_signature=[
                tf.TensorSpec(
                    getattr(kind, "shape", [None]), getattr(kind, "dtype", kind), name=argument
                )
                for argument, kind in kinds.items()
            ],
        )

    def pack(self, model) -> None:
        """Lets the larger weights be stored compressed, and be unpacked when they are loaded.

        Args:
            model: the task, whose weights are rounded to bfloat16 already (`round_weights`).
        """
        packed = {v.path: PackedWeight(v.value, v.path) for v in model.variables if is_packed(v)}
        self.weights = [packed.get(v.path, v.value) for v in model.variables]
        self.stored_weights = [weight.stored for weight in packed.values()]

        def weights_as_read():
            return keras.StatelessScope(
                [(v, packed[v.path].read()) for v in model.variables if v.path in packed]
            )

        self._weights_as_read = weights_as_read


def classifier_serving(model) -> Serving:
    """Makes the signatures of a `TextClassifier`: `serving_default`, `encode` and `decode`.

    Args:
        model: a built `TextClassifier`.

    Returns:
        The module to save.
    """
    tokenizer = model.tokenizer.graph
    serving = Serving(model, tokenizer=tokenizer)
    encode = serving.share(tokenizer.encode, text=tf.string)
    end_id, max_tokens = model.tokenizer.end_id, model.max_tokens

    def compute_probabilities(ids):  # [rows, width] → [rows, labels]
        return [tf.cast(model.to_probabilities(model(ids, training=False)), tf.float32)]

    def classify(text):
        ids, lengths = cut_rows(*encode(text), max_tokens, end_id)
        (probabilities,) = map_rows_by_length(
            compute_probabilities, ids, lengths, empty=[tf.zeros([0, len(model.labels)])]
        )
        names = tf.constant(list(model.labels))
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "score": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "classes": tf.tile(names[None], [tf.shape(text)[0], 1]),
        }

    serving.add("serving_default", classify, text=tf.string)
    add_tokenizer_signatures(serving, encode, tokenizer.decode)
    return serving


def add_tokenizer_signatures(serving: Serving, encode, decode) -> None:
    """Adds `encode` (text to ids and lengths) and `decode` (the way back).

    Args:
        serving: what they are added to.
        encode: from text to ids and lengths.
        decode: from ids and lengths to text.
    """

    def encode_named(text):
        ids, lengths = encode(text)
        return {"ids": ids, "lengths": lengths}

    def decode_named(ids, lengths):
        return {"text": decode(ids, lengths)}

    serving.add("encode", encode_named, text=tf.string)
    serving.add("decode", decode_named, ids=tf.TensorSpec([None, None], tf.int32), lengths=tf.int32)


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


def map_rows_by_length(compute, ids, lengths, empty, group_tokens=_GROUP_TOKENS):
    """Runs `compute` on rows of like length together, so that long rows do not widen short ones.

    The rows are sorted by length and taken in groups: a group ends before the first row that is
    over twice as long as its shortest, and before it holds more than `group_tokens`. So no row is
    padded to more than twice its length (or `_SHORT_ROW`), and memory is bounded whatever the
    batch.

    Args:
        compute: from ids `[rows, width]` to a list of tensors `[rows, …]`.
        ids: int32, `[batch, width]`, padded right.
        lengths: int32, `[batch]`.
        empty: what `compute` would give for no rows, a list of tensors `[0, …]`.
        group_tokens: rows times tokens that a group may hold, unless a single row does.

    Returns:
        What `compute` gives, in the order of the rows given.
    """
    order = tf.argsort(lengths, stable=True)
    ids, lengths = tf.gather(ids, order), tf.gather(lengths, order)
    batch = tf.shape(ids)[0]

    def compute_group(start, *outputs):
        limit = tf.maximum(_SHORT_ROW, 2 * lengths[start])
        alike = tf.searchsorted(lengths, limit[None], side="right")[0]
        stop = tf.minimum(alike, start + tf.maximum(1, group_tokens // limit))
        group = compute(ids[start:stop, : lengths[stop - 1]])
        return stop, *(tf.concat([all_, new], axis=0) for all_, new in zip(outputs, group))

    _, *outputs = tf.while_loop(
        lambda start, *_: start < batch,
        compute_group,
        (tf.constant(0), *empty),
        shape_invariants=(
            tf.TensorShape([]),
            *(tf.TensorShape([None, *e.shape[1:]]) for e in empty),
        ),
        parallel_iterations=1,
    )
    back = tf.math.invert_permutation(order)
    return [tf.gather(output, back) for output in outputs]
