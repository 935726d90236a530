"""What rows weigh in training: by their class, so that rare ones count as much, or one by one."""

from collections.abc import Mapping, Sequence

import numpy as np

from textlstm.errors import InputError


def read_class_weight(
    class_weight: str | Mapping, names: Sequence[str], numbers: np.ndarray | None
) -> dict[int, float]:
    """Turns what a user gives as `class_weight` into what `keras.Model.fit` takes.

    `"balanced"` gives each class the same share of the loss. With n rows, k classes that occur
    among them, and n_c rows of class c (King and Zeng, Logistic Regression in Rare Events Data,
    2001):

        w_c = n / (k · n_c)

    Args:
        class_weight: `"balanced"`, or a dict from a class, by its name or number, to its weight;
            a class that is not in it weighs 1.
        names: the names of the classes.
        numbers: the class of each training row, int `[rows]`, or `None` if it is not known.

    Returns:
        A dict from the number of a class to its weight.

    Raises:
        InputError: if a class is unknown, a weight is no number from 0, or `"balanced"` is asked
            for and the classes of the rows are not known.
    """
    # Keras makes a table of them as long as the highest number: none is to be missing.
    ones = dict.fromkeys(range(len(names)), 1.0)
    if isinstance(class_weight, str) and class_weight == "balanced":
        if numbers is None:
            raise InputError(
                "class_weight='balanced' needs to count the labels, and a tf.data.Dataset is not "
                "counted; give a dict of weights, or texts and labels"
            )
        present, counts = np.unique(np.asarray(numbers), return_counts=True)
        weights = len(numbers) / (len(present) * counts)
        return ones | dict(zip(present.tolist(), weights.tolist()))
    if not isinstance(class_weight, Mapping):
        raise InputError(
            "class_weight must be 'balanced' or a dict from a label to its weight; got "
            f"{class_weight!r}"
        )
    positions = {name: number for number, name in enumerate(names)}
    positions |= {number: number for number in range(len(names))}
    weights = ones
    for label, weight in class_weight.items():
        if label not in positions:
            raise InputError(
                f"class_weight: {label!r} is none of the labels {', '.join(names)}; mend the name"
            )
        if not isinstance(weight, (int, float, np.number)) or not 0 <= weight < np.inf:
            raise InputError(f"class_weight: {label!r} has weight {weight!r}; give 0 or more")
        weights[positions[label]] = float(weight)
    return weights


def weights_of_rows(weights: Mapping[int, float], numbers: np.ndarray) -> np.ndarray:
    """Returns the weight of the class of each row, float32 `[rows]`."""
    return np.array([weights.get(int(number), 1.0) for number in numbers], "float32")


def read_sample_weight(sample_weight, rows: int) -> np.ndarray | None:
    """Returns the weight of each row, float32 `[rows]`, or `None` if none is given.

    Raises:
        InputError: if there is not one number for each row.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.shape != (rows,) or weights.dtype.kind not in "biuf":
        raise InputError(
            f"there are {rows} rows and a sample_weight of shape {weights.shape} and type "
            f"{weights.dtype}; give one number for each row"
        )
    return weights.astype("float32")
