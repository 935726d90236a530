"""A cell that the user made, given to tasks."""

import pytest

from textlstm import LanguageModel, TextClassifier, Translator
from textlstm.cells import LSTMCell

MAKE = {
    TextClassifier: lambda tokenizer, **o: TextClassifier(tokenizer, ["no", "yes"], **o),
    LanguageModel: LanguageModel,
    Translator: Translator,
}


@pytest.mark.parametrize("task", MAKE, ids=lambda task: task.__name__)
def test_a_built_cell_is_copied_and_computes_as_the_model_does(tokenizer, task):
    cell = LSTMCell(6)
    cell.build((None, 8))
    options = {"cell": cell, "embedding_dim": 8, "dtype": "mixed_bfloat16"}
    one, other = (MAKE[task](tokenizer, **options) for _ in range(2))
    name = {TextClassifier: "recurrent", LanguageModel: "rnn", Translator: "encoder"}[task]
    assert {getattr(model, name).cell.compute_dtype for model in (one, other)} == {"bfloat16"}
    assert cell.compute_dtype == "float32"
    again = task.from_config(one.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in one.weights]
    assert not {id(w) for w in cell.weights} & {id(w) for w in one.weights}
    precise = one.with_options(dtype="float32")
    assert precise.compute_dtype == getattr(precise, name).cell.compute_dtype == "float32"
