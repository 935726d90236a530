"""Texts as users give them: told from what is encoded already, checked, and divided."""

import keras
import numpy as np

from textlstm.data import EncodedCorpus, part_of
from textlstm.errors import InputError


def holds_texts(x) -> bool:
    """Tells texts from what is batched or encoded already."""
    encoded = isinstance(x, (EncodedCorpus, keras.utils.PyDataset)) or hasattr(x, "element_spec")
    return not encoded


def checked_texts(texts) -> list:
    """Returns texts as a list of `str` and `bytes`, or says which row is something else."""
    if texts is None or isinstance(texts, (str, bytes)):
        raise InputError(f"texts must be a list of strings; got {type(texts).__name__}")
    texts = list(texts)
    for row, text in enumerate(texts):
        if not isinstance(text, (str, bytes)):
            raise InputError(f"row {row}: a text must be a string; got {text!r}")
    return texts


def read_dataset(x):
    """Returns the texts of a `tf.data.Dataset` of strings, one or a batch at a time, as a list.

    Anything else is returned as it is.

    Raises:
        InputError: if the dataset holds something else than texts.
    """
    if not hasattr(x, "element_spec"):
        return x
    if getattr(x.element_spec, "dtype", None) != "string":
        raise InputError(
            f"a language model takes a tf.data.Dataset of strings alone; got {x.element_spec}"
        )
    return [text for element in x.as_numpy_iterator() for text in np.ravel(element).tolist()]


def held_out(texts: list, share: float, seed: int) -> np.ndarray:
    """Says of each text whether it is held out: by the text itself, so equal texts go together.

    Args:
        texts: `str` or UTF-8 `bytes`.
        share: the share to hold out.
        seed: another seed holds out other texts.

    Returns:
        bool `[rows]`; all False where the texts are so few that a part would be empty.
    """

    def is_held_out(text):
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return part_of(text, shares={"validation": share}, seed=seed) == "validation"

    chosen = np.array([is_held_out(text) for text in texts], bool)
    return np.zeros_like(chosen) if chosen.all() else chosen


def pick(texts: list, chosen: np.ndarray) -> list:
    """Returns the texts that are chosen, bool `[rows]`."""
    return [text for text, is_chosen in zip(texts, chosen) if is_chosen]
