"""The signatures of a translator's SavedModel: strings in, strings out, stock TensorFlow.

This file imports tensorflow; a task reaches it only when it is exported.
"""

import tensorflow as tf

from textlstm.tasks.serving import (
    Serving,
    add_tokenizer_signatures,
    cut_rows,
    map_rows_by_length,
)

# Rows times tokens times beams that are searched together: bounds the memory of a large batch.
_GROUP_TOKENS = 32_768


def translation_serving(model) -> Serving:
    """Makes the signatures of a `Translator`.

    `serving_default` gives the best translation by a search with the model's own `beam_size` and
    `length_penalty`; `translate` takes both, and `max_tokens`, and gives all beams. `encode`
    encodes as the source side does, `decode` decodes as the target side does.

    Args:
        model: a built `Translator`.

    Returns:
        The module to save.
    """
    source, target = model.source_tokenizer.graph, model.target_tokenizer.graph
    serving = Serving(model, source_tokenizer=source, target_tokenizer=target)
    encode = serving.share(source.encode, text=tf.string)

    def search(text, beam_size, length_penalty, max_tokens):
        """Returns translations, string `[batch, beams]`, and scores, float32 `[batch, beams]`."""
        ids, lengths = cut_rows(*encode(text), model.max_tokens, model.source_tokenizer.end_id)
        beams = model.new_search(beam_size, length_penalty)
        ids, scores = map_rows_by_length(
            lambda group: model.search(group, beams, max_tokens),
            ids,
            lengths,
            empty=[
                tf.zeros(tf.stack([0, beam_size, max_tokens + 1]), tf.int32),
                tf.zeros(tf.stack([0, beam_size])),
            ],
            group_tokens=tf.maximum(1, _GROUP_TOKENS // beam_size),
        )
        ids = tf.reshape(ids, [-1, max_tokens + 1])
        # The end mark and the padding behind it give no text.
        texts = target.decode(ids, tf.fill([tf.shape(ids)[0]], max_tokens + 1))
        return tf.reshape(texts, tf.shape(scores)), scores

    def translate_best(text):
        texts, scores = search(
            text,
            tf.constant(model.beam_size),
            tf.constant(model.length_penalty),
            tf.constant(model.max_tokens),
        )
        return {"translation": texts[:, 0], "score": scores[:, 0]}

    def translate(text, beam_size, length_penalty, max_tokens):
        with tf.control_dependencies(_checks(beam_size, length_penalty, max_tokens, model)):
            texts, scores = search(
                text, tf.identity(beam_size), tf.identity(length_penalty), tf.identity(max_tokens)
            )
        return {"translations": texts, "scores": scores}

    kinds = {
        "text": tf.string,
        "beam_size": tf.TensorSpec([], tf.int32),
        "length_penalty": tf.TensorSpec([], tf.float32),
        "max_tokens": tf.TensorSpec([], tf.int32),
    }
    search = serving.share(search, **kinds)
    serving.add("serving_default", translate_best, text=tf.string)
    serving.add("translate", translate, **kinds)
    add_tokenizer_signatures(serving, encode, target.decode)
    return serving


def _checks(beam_size, length_penalty, max_tokens, model) -> list:
    """Returns the operations that fail, with a message, where an option makes no sense."""
    vocabulary_size = model.target_tokenizer.vocabulary_size
    most = vocabulary_size // 2  # a step keeps twice as many continuations as there are beams
    return [
        tf.debugging.Assert(
            (beam_size >= 1) & (beam_size <= most),
            [f"beam_size must be from 1 to {most}; got", beam_size],
        ),
        tf.debugging.Assert(
            (length_penalty >= 0) & tf.math.is_finite(length_penalty),
            ["length_penalty must be 0 or more; got", length_penalty],
        ),
        tf.debugging.Assert(
            (max_tokens >= 1) & (max_tokens <= model.max_tokens),
            [f"max_tokens must be from 1 to {model.max_tokens}; got", max_tokens],
        ),
    ]
