"""What a language model computes beside its training, each compiled when it is first needed."""

import keras
from keras import ops

from textlstm.decoding import Search

# Tokens that a stream draws at a call: one call takes longer than the step of a small model.
TOKENS_AT_ONCE = 16
# The options of a `Sampler` that `generate` and `stream` take.
_OPTIONS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


class CompiledParts:
    """What a model has compiled beside its training; no layer, so that Keras does not count it."""

    def __init__(self, model):
        self._model = model
        self._generators: dict[tuple, _Generator] = {}
        self._others: dict[type, keras.Model] = {}

    def generator(self, max_tokens: int, search: Search | None) -> "_Generator":
        """What goes on with prompts by so many tokens."""
        key = max_tokens, id(search)
        if key not in self._generators:
            self._generators[key] = _Generator(self._model, max_tokens, search)
        return self._generators[key]

    @property
    def reader(self) -> "_Reader":
        """What reads a window, and tells -log p."""
        return self._get(_Reader)

    @property
    def beginner(self) -> "_Beginner":
        """What reads prompts."""
        return self._get(_Beginner)

    @property
    def drawer(self) -> "_Drawer":
        """What draws some tokens more."""
        return self._get(_Drawer)

    def _get(self, kind: type) -> keras.Model:
        if kind not in self._others:
            self._others[kind] = kind(self._model)
        return self._others[kind]


class _Part(keras.Model):
    """Something a language model does, compiled as Keras does it for `predict`."""

    def __init__(self, model):
        super().__init__(name=type(self).__name__.strip("_").lower())
        self._model = model
        self.built = True


class _Reader(_Part):
    """Reads a window: -log p of its labels, and the states behind it."""

    def call(self, inputs):
        outputs, states = self._model.read(inputs["ids"], inputs["states"])
        return self._model.head.surprise(outputs, inputs["labels"]), states


class _Beginner(_Part):
    """Reads prompts."""

    def call(self, inputs):
        return self._model.begin(inputs["ids"], inputs["lengths"])


class _Drawer(_Part):
    """Draws the next tokens of each row: int32 `[rows, TOKENS_AT_ONCE]`, `count` of them."""

    def call(self, inputs):
        model, first, count = self._model, inputs["n"][0], inputs["count"][0]
        options = {name: inputs[name] for name in _OPTIONS if name in inputs}
        sampler = model.new_sampler(inputs["seeds"], **options)

        def draw(k, drawn, last, is_said, *states):
            logits, states = model.step(last, list(states))
            last = sampler.draw(sampler.log_probs(logits), first + k, is_said)  # [rows]
            drawn = ops.slice_update(drawn, (0, k), last[:, None])
            is_said = ops.logical_or(is_said, ops.one_hot(last, is_said.shape[-1], dtype="bool"))
            return k + 1, drawn, last, is_said, *states

        last = inputs["last"]
        start = ops.convert_to_tensor(0, "int32")
        drawn = ops.zeros((ops.shape(last)[0], TOKENS_AT_ONCE), "int32")
        _, drawn, last, is_said, *states = ops.while_loop(
            lambda k, *_: k < count,
            draw,
            (start, drawn, last, inputs["is_said"], *inputs["states"]),
        )
        return {"drawn": drawn, "last": last, "is_said": is_said, "states": states}


class _Generator(_Part):
    """Goes on with prompts until they end, at most by so many tokens."""

    def __init__(self, model, max_tokens: int, search: Search | None):
        super().__init__(model)
        self._max_tokens = max_tokens
        self._search = search

    def call(self, inputs):
        model, ids = self._model, inputs["ids"]
        last, states = model.begin(ids, inputs["lengths"])
        options = {name: inputs[name] for name in _OPTIONS if name in inputs}
        # The end mark that a text begins behind does not count as said.
        said = ops.where(ids == model.tokenizer.end_id, model.tokenizer.pad_id, ids)
        search = self._search or model.new_sampler(inputs["seeds"], said, **options)
        return search(model.step, states, last, max_tokens=self._max_tokens)
