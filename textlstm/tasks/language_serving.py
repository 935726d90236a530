"""The signatures of a language model's SavedModel: strings in, strings out, stock TensorFlow.

This file imports tensorflow; a task reaches it only when it is exported.
"""

import tensorflow as tf

from textlstm.tasks.serving import (
    Serving,
    add_tokenizer_signatures,
    cut_rows,
    map_rows_by_length,
)

# What `serving_default` goes on with.
_MAX_TOKENS, _TEMPERATURE, _TOP_P = 200, 0.8, 0.95


def language_serving(model) -> Serving:
    """Makes the signatures of a `LanguageModel`.

    `serving_default` adds up to 200 tokens, with temperature 0.8, `top_p` 0.95 and seed 0;
    `generate` takes these as inputs, and `score` gives log p of texts. `start` reads prompts and
    gives the logits of the next token, with the states; `step` takes a token and states, and gives
    the next. Only the last `max_tokens` tokens of a prompt and the first of a text are read.

    Args:
        model: a built `LanguageModel`.

    Returns:
        The module to save.
    """
    tokenizer = model.tokenizer
    graph = tokenizer.graph
    serving = Serving(model, tokenizer=graph)
    encode = serving.share(graph.encode, text=tf.string)
    names = [f"state_{index}" for index in range(len(model.rnn.state_sizes))]
    rows_of_ids = tf.TensorSpec([None, None], tf.int32)
    shapes = [(model.rnn.num_layers, size) for size in model.rnn.state_sizes]

    def encode_prompts(prompt):
        """Returns ids behind an end mark, int32 `[batch, width]`, and lengths, the mark counted."""
        ids, lengths = encode(prompt)  # each with its end mark
        # The end mark from the end to the head: the text is as long as before.
        ids = tf.roll(ids, 1, axis=1)
        places = tf.range(tf.shape(ids)[1])[None]
        ids = tf.where(places == 0, tokenizer.end_id, ids)
        ids = tf.where(places < lengths[:, None], ids, tokenizer.pad_id)
        # Of a long prompt the end counts.
        width = tf.minimum(tf.shape(ids)[1], model.max_tokens)
        first = tf.maximum(lengths - width, 0)
        ids = tf.gather(ids, first[:, None] + tf.range(width)[None], batch_dims=1)
        return ids, tf.minimum(lengths, width)

    def read(ids, lengths):
        """Reads prompts, long ones apart from short ones: their last tokens and states."""

        def begin_group(group):
            real = tf.reduce_sum(tf.cast(group != tokenizer.pad_id, tf.int32), axis=1)
            last, states = model.begin(group, real)
            return [last, *states]

        states = [tf.zeros([0, *shape], model.compute_dtype) for shape in shapes]
        empty = [tf.zeros([0], tf.int32), *states]
        last, *states = map_rows_by_length(begin_group, ids, lengths, empty)
        return last, states

    read = serving.share(read, ids=rows_of_ids, lengths=tf.int32)

    def add(prompt, max_tokens, temperature, top_k, top_p, seed):
        """Goes on with prompts: the texts that are added, and log p of their tokens."""
        ids, lengths = encode_prompts(prompt)
        last, states = read(ids, lengths)
        sampler = model.new_sampler(seed, temperature=temperature, top_k=top_k, top_p=top_p)
        added, log_probs = sampler(model.step, states, last, max_tokens=max_tokens)
        # Decoded behind the prompt, for a space at the head of a text is not written.
        ids = tf.where(ids == tokenizer.end_id, tokenizer.pad_id, ids)
        width = tf.shape(ids)[1] + tf.shape(added)[1]
        whole = graph.decode(tf.concat([ids, added], axis=1), tf.fill(tf.shape(lengths), width))
        before = graph.decode(ids, tf.fill(tf.shape(lengths), tf.shape(ids)[1]))
        start = tf.strings.length(before)
        texts = tf.strings.substr(whole, start, tf.strings.length(whole) - start)
        return texts, log_probs

    def of_rows(option, prompt, dtype):
        """Returns an option, one for all rows or one for each, as one for each."""
        option = tf.reshape(tf.cast(option, dtype), [-1])
        return tf.broadcast_to(option, tf.shape(prompt))

    def go_on(prompt):
        rows = tf.shape(prompt)[0]
        texts, _ = add(
            prompt,
            tf.constant(_MAX_TOKENS),
            tf.fill([rows], _TEMPERATURE),
            tf.zeros([rows], tf.int32),  # all
            tf.fill([rows], _TOP_P),
            tf.range(rows),
        )
        return {"text": texts}

    def generate(prompt, max_tokens, temperature, top_k, top_p, seed):
        with tf.control_dependencies(_checks(max_tokens, temperature, top_k, top_p)):
            max_tokens = tf.identity(max_tokens)
        seeds = of_rows(seed, prompt, tf.int32)
        counted = tf.where(tf.rank(seed) == 0, tf.range(tf.size(seeds)), 0)
        texts, log_probs = add(
            prompt,
            max_tokens,
            of_rows(temperature, prompt, tf.float32),
            of_rows(top_k, prompt, tf.int32),
            of_rows(top_p, prompt, tf.float32),
            seeds + counted,
        )
        return {"text": texts, "log_prob": log_probs}

    def score(text):
        ids, lengths = cut_rows(*encode(text), model.max_tokens, tokenizer.end_id)

        def score_group(labels):
            read = tf.concat([tf.fill([tf.shape(labels)[0], 1], tokenizer.end_id), labels], 1)
            surprise = model({"ids": read[:, :-1], "labels": labels})
            real = tf.cast(labels != tokenizer.pad_id, tf.float32)
            return [-tf.reduce_sum(real * surprise, axis=1)]

        (log_probs,) = map_rows_by_length(score_group, ids, lengths, [tf.zeros([0])])
        return {"log_prob": log_probs, "tokens": lengths}

    def start(prompt):
        last, states = read(*encode_prompts(prompt))
        return take_step(last, states)

    def step(token, **states):
        return take_step(token, [tf.cast(states[name], model.compute_dtype) for name in names])

    def take_step(token, states):
        logits, states = model.step(token, states)
        states = {name: tf.cast(s, tf.float32) for name, s in zip(names, states)}
        return {"logits": tf.cast(logits, tf.float32), **states}

    add = serving.share(
        add,
        prompt=tf.string,
        max_tokens=tf.TensorSpec([], tf.int32),
        temperature=tf.float32,
        top_k=tf.int32,
        top_p=tf.float32,
        seed=tf.int32,
    )
    anything = {"shape": None}
    serving.add("serving_default", go_on, prompt=tf.string)
    serving.add(
        "generate",
        generate,
        prompt=tf.string,
        max_tokens=tf.TensorSpec([], tf.int32),
        temperature=tf.TensorSpec(dtype=tf.float32, **anything),
        top_k=tf.TensorSpec(dtype=tf.int32, **anything),
        top_p=tf.TensorSpec(dtype=tf.float32, **anything),
        seed=tf.TensorSpec(dtype=tf.int32, **anything),
    )
    serving.add("score", score, text=tf.string)
    serving.add("start", start, prompt=tf.string)
    serving.add(
        "step",
        _with_arguments(step, ["token", *names]),
        token=tf.int32,
        **{name: tf.TensorSpec([None, *shape]) for name, shape in zip(names, shapes)},
    )
    add_tokenizer_signatures(serving, encode, graph.decode)
    return serving


def _with_arguments(function, names):
    """Returns a function of positional arguments for one of named ones."""
    return lambda *values: function(**dict(zip(names, values)))


def _checks(max_tokens, temperature, top_k, top_p) -> list:
    """Returns the operations that fail, with a message, where an option makes no sense."""

    def check(holds, message, option):
        return tf.debugging.Assert(tf.reduce_all(holds), [message, option], summarize=8)

    return [
        check(max_tokens >= 1, "max_tokens must be at least 1; got", max_tokens),
        check(
            (temperature >= 0) & tf.math.is_finite(temperature),
            "temperature must be 0 or more; got",
            temperature,
        ),
        check(top_k >= 0, "top_k must be 0 (all) or more; got", top_k),
        check((top_p > 0) & (top_p <= 1), "top_p must be in (0, 1]; got", top_p),
    ]
