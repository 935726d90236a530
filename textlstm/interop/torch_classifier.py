"""A text classifier of torch, by its weights and its SentencePiece model, to a model folder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from textlstm.errors import InputError
from textlstm.interop.tensors import read_tensors
from textlstm.interop.torch_weights import RECURRENT_NAME, from_torch, options_of_module
from textlstm.layers import make_pooling
from textlstm.saving import export
from textlstm.tasks import TextClassifier
from textlstm.tokenizers import SentencePieceTokenizer


def classifier_from_torch(
    weights,
    tokenizer: SentencePieceTokenizer | str | os.PathLike,
    labels: Sequence[str],
    *,
    pooling: str = "last",
    max_tokens: int = 512,
    end_mark: bool = True,
    embedding: str | None = None,
    recurrent: str | None = None,
    head: str | None = None,
) -> TextClassifier:
    """Makes a `TextClassifier` that gives the probabilities of a classifier of torch.

    The classifier is to be

        ids → Embedding → LSTM, GRU or RNN → pooling → Linear → logits, one for each label

    trained on the ids that SentencePiece gives, with the padding left out of the recurrence (packed
    sequences) and of the pooling. Whether those ids had the end mark behind every text
    (`add_eos=True`) cannot be read from the weights: say it with `end_mark`.

    Args:
        weights: the module, its `state_dict` (tensors or NumPy arrays), or the path of a
            `.safetensors` file. From tensors alone, an RNN is taken to be one with tanh.
        tokenizer: the tokenizer, or the path of the SentencePiece `.model` file.
        labels: the names of the classes, in the order of the outputs.
        pooling: what stands between the recurrent layer and the last one. `"last"` (default): the
            final hidden state of the top layer, forward and backward side by side; `"mean"` or
            `"max"` of the outputs over the real tokens; `"concat"`: last, mean and max side by
            side.
        max_tokens: longer texts are cut to so many of the ids that the weights were trained on;
            default 512.
        end_mark: whether the weights were trained with the end mark behind every text; default
            `True`. `False` is for the ids of `SentencePieceProcessor.encode(text)` as it is.
        embedding: name of the `torch.nn.Embedding` among the weights; default: found by its shape.
        recurrent: name of the recurrent module; default: the only one.
        head: name of the `torch.nn.Linear`; default: found by its shape.

    Returns:
        The classifier; it can be fitted further. An embedding without rows for the marks that the
        tokenizer adds behind the pieces of its model (the padding, and the end mark where it is not
        read) gets them, of zeros, which no answer depends on.

    Raises:
        InputError: if the weights are not those of such a classifier, or do not fit the tokenizer
            or the labels.

    Example:
        >>> model = classifier_from_torch(module, "sp.model", ["negative", "positive"])
        >>> model.classify(["A joy from start to finish."])
        ['positive']
    """
    if pooling == "attention":
        raise InputError("pooling='attention' has weights that torch has not; choose another")
    if not isinstance(tokenizer, SentencePieceTokenizer):
        tokenizer = SentencePieceTokenizer.from_file(tokenizer)
    tensors = read_tensors(weights)

    recurrent = _find_recurrent(tensors, recurrent)
    start = recurrent + "." if recurrent else ""
    is_recurrent = {
        name: name.startswith(start) and bool(RECURRENT_NAME.fullmatch(name[len(start) :]))
        for name in tensors
    }
    layer = from_torch(
        {name: tensors[name] for name in tensors if is_recurrent[name]},
        recurrent,
        **options_of_module(weights, recurrent),
    )
    others = {name: tensor for name, tensor in tensors.items() if not is_recurrent[name]}

    features = layer.cell.kernel.shape[0]
    pool = make_pooling(pooling, layer.bidirectional)
    head_shape = (len(labels), pool.output_features(layer.output_size))
    embedding, head = _find_ends(others, features, head_shape, embedding, head, pooling)
    used = {f"{embedding}.weight", f"{head}.weight", f"{head}.bias"}
    if unknown := [name for name in others if name not in used]:
        raise InputError(
            f"the weights hold {', '.join(unknown)} besides an embedding ({embedding!r}), a "
            f"recurrent module ({recurrent!r}) and a head ({head!r}); a classifier with further "
            "layers cannot be moved"
        )

    model = TextClassifier(
        tokenizer,
        labels,
        cell=type(layer.cell).from_config(layer.cell.get_config()),
        units=layer.cell.units,
        num_layers=layer.num_layers,
        bidirectional=layer.bidirectional,
        embedding_dim=features,
        pooling=pooling,
        # Every row of ours holds the end mark, be it read or not.
        max_tokens=max_tokens + (not end_mark),
        read_end_mark=end_mark,
    )
    rows = _rows_for(tokenizer, tensors[f"{embedding}.weight"], embedding, end_mark)
    model.embedding.set_weights([rows])
    model.recurrent.set_weights(layer.get_weights())
    bias = tensors.get(f"{head}.bias", np.zeros(len(labels), "float32"))
    model.head.set_weights([tensors[f"{head}.weight"].T, bias])
    return model


def export_torch_classifier(
    weights,
    tokenizer: SentencePieceTokenizer | str | os.PathLike,
    labels: Sequence[str],
    folder: str | os.PathLike,
    *,
    scores: Mapping[str, float | str] | None = None,
    about: Mapping[str, str] | None = None,
    **options,
) -> Path:
    """Writes a classifier of torch as the next version of a model folder that takes strings.

    Args:
        weights: as in `classifier_from_torch`, whose conditions hold.
        tokenizer: as there.
        labels: as there.
        folder: `models/NAME`.
        scores: as in `textlstm.export`.
        about: as in `textlstm.export`.
        **options: `pooling`, `max_tokens`, `end_mark`, `embedding`, `recurrent`, `head`, as in
            `classifier_from_torch`.

    Returns:
        The path of the version, `models/NAME/VERSION`.

    Raises:
        InputError: as `classifier_from_torch` and `textlstm.export`.

    Example:
        >>> export_torch_classifier(
        ...     "classifier.safetensors", "sp.model", ["negative", "positive"], "models/mine"
        ... )
        PosixPath('models/mine/1')
    """
    model = classifier_from_torch(weights, tokenizer, labels, **options)
    return export(model, folder, scores=scores, about=about)


def _find_recurrent(tensors, given: str | None) -> str:
    """Returns the name of the recurrent module, which may be empty."""
    names = {
        name.removesuffix("weight_ih_l0").rstrip(".")
        for name in tensors
        if name.split(".")[-1] == "weight_ih_l0"
    }
    if given is not None:
        names &= {given.rstrip(".")}
    if len(names) != 1:
        state = f"more than one ({', '.join(sorted(names))})" if names else "none"
        raise InputError(
            f"the weights must hold one recurrent module of torch, and there is {state}"
            f"{_named(given)} among {_shapes(tensors)}; name it with `recurrent`"
        )
    return names.pop()


def _find_ends(others, features, head_shape, embedding, head, pooling) -> tuple[str, str]:
    """Returns the names of embedding and head, by their shapes where they are not given."""
    matrices = {
        name.removesuffix(".weight"): tensor
        for name, tensor in others.items()
        if name.endswith(".weight") and tensor.ndim == 2
    }

    def find(role, given, fits, wanted):
        found = [name for name in matrices if fits(name)]
        if given is not None:
            found = [name for name in found if name == given.rstrip(".")]
        if len(found) != 1:
            state = f"more than one ({', '.join(found)})" if found else "none"
            raise InputError(
                f"the weights must hold one {role}, {wanted}, and there is {state}"
                f"{_named(given)} among {_shapes(others)}; name it with `{role}`, or correct "
                "`labels` and `pooling`"
            )
        return found[0]

    head = find(
        "head",
        head,
        lambda name: matrices[name].shape == head_shape and name != embedding,
        f"a Linear of shape {head_shape} for {head_shape[0]} labels and pooling={pooling!r}",
    )
    embedding = find(
        "embedding",
        embedding,
        lambda name: matrices[name].shape[1] == features and name != head,
        f"an Embedding with rows of {features} numbers",
    )
    bias = others.get(f"{head}.bias")
    if bias is not None and bias.shape != head_shape[:1]:
        raise InputError(f"{head}.bias has the shape {bias.shape} instead of {head_shape[:1]}")
    return embedding, head


def _rows_for(
    tokenizer: SentencePieceTokenizer, rows: np.ndarray, name: str, end_mark: bool
) -> np.ndarray:
    """Returns the embedding with a row for each id of the tokenizer."""
    end_id, pad_id, size = tokenizer.end_id, tokenizer.pad_id, tokenizer.vocabulary_size
    counts = (
        f"{name}.weight has {len(rows)} rows and the tokenizer {size} ids (end mark {end_id}, "
        f"padding {pad_id})"
    )
    if end_mark and (end_id >= len(rows) or not rows[end_id].any()):
        raise InputError(
            f"{counts}, and there is no trained row for the end mark; if the weights were trained "
            "without one behind every text, say end_mark=False"
        )
    never_read = {pad_id} if end_mark else {pad_id, end_id}
    missing = range(len(rows), size)
    if len(rows) > size or not never_read.issuperset(missing):
        raise InputError(f"{counts}; give the model file that the weights were trained with")
    return np.concatenate([rows, np.zeros((len(missing), rows.shape[1]), rows.dtype)])


def _named(given: str | None) -> str:
    return f" of the name {given!r}" if given is not None else ""


def _shapes(tensors) -> str:
    return ", ".join(f"{name} {tensor.shape}" for name, tensor in tensors.items())
