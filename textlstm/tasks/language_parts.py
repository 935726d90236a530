"""What a language model computes beside its training: reading on, and going on with prompts."""

from keras import ops

from textlstm.decoding import Search
from textlstm.tasks.compiled_parts import CompiledPart

# Tokens that a stream draws at a call: one call takes longer than the step of a small model.
TOKENS_AT_ONCE = 16
# The options of a `Sampler` that `generate` and `stream` take.
_OPTIONS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


class Reader(CompiledPart):
    """Reads a window: -log p of its labels, and the states behind it."""

    def call(self, inputs):
        """Reads `ids` on from `states`."""
        outputs, states = self._task.read(inputs["ids"], inputs["states"])
        return self._task.head.surprise(outputs, inputs["labels"]), states


class Beginner(CompiledPart):
    """Reads prompts."""

    def call(self, inputs):
        """Reads all tokens but the last."""
        return self._task.begin(inputs["ids"], inputs["lengths"])


class Drawer(CompiledPart):
    """Draws the next tokens of each row: int32 `[rows, TOKENS_AT_ONCE]`, `count` of them."""

    def call(self, inputs):
        """Goes on from `last` and `states`."""
        model, first, count = self._task, inputs["n"][0], inputs["count"][0]
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


class Generator(CompiledPart):
    """Goes on with prompts until they end, at most by so many tokens."""

    def __init__(self, model, max_tokens: int, search: Search | None):
        super().__init__(model)
        self._max_tokens = max_tokens
        self._search = search

    def call(self, inputs):
        """Reads the prompts and goes on with them."""
        model, ids = self._task, inputs["ids"]
        last, states = model.begin(ids, inputs["lengths"])
        options = {name: inputs[name] for name in _OPTIONS if name in inputs}
        # The end mark that a text begins behind does not count as said.
        said = ops.where(ids == model.tokenizer.end_id, model.tokenizer.pad_id, ids)
        search = self._search or model.new_sampler(inputs["seeds"], said, **options)
        return search(model.step, states, last, max_tokens=self._max_tokens)
