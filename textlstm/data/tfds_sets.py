"""Text classification sets of TensorFlow Datasets (TFDS): `tfds:NAME/CONFIG`."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from textlstm.data.examples import PART_NAMES, Example, Source, standard_part
from textlstm.data.reading import decode
from textlstm.data.table_files import Columns, choose_columns
from textlstm.data.tfds_builders import (
    UNLABELLED_SPLITS,
    flat_features,
    is_text,
    open_builder,
    rows_of,
    short_name,
    value_of,
)
from textlstm.errors import InputError

_NO_LABEL = -1  # what TFDS writes as the label of a row that has none


class TfdsSource(Source):
    """A source of a prepared TFDS set.

    Args:
        data: what the user wrote, for messages.
        builder: the TFDS builder of the prepared set.
        columns: names of the features that hold text and label, as far as the user gives them.
        encoding: name of the encoding of the texts, and of labels that are strings.

    Raises:
        InputError: if no feature can be the text or the label, if no split can be the training
            part, or if what reads its files is not installed.
    """

    has_columns = True

    def __init__(self, data: str, builder: Any, columns: Columns, encoding: str):
        self._data = data
        self._builder = builder
        self._encoding = encoding
        features = flat_features(builder.info.features)
        self._text, self._label = _choose_features(data, builder.info, columns)
        self._read_label = _label_reader(features[self._label])
        self._splits, notes = self._choose_splits()
        super().__init__(
            short_name(data),
            f"{builder.info.full_name} of TensorFlow Datasets",
            tuple(self._splits),
            tuple(notes),
        )

    def _choose_splits(self) -> tuple[dict[str, str], list[str]]:
        """Returns the name of the split of each part, and notes about those left out."""
        notes, by_part, others = [], {}, []
        for split, about in self._builder.info.splits.items():
            count = about.num_examples
            left_out = f"left out the {count:,} row{'s' * (count != 1)} of the split {split!r}"
            if split.lower() in UNLABELLED_SPLITS or self._has_no_labels(split):
                notes.append(f"{left_out}: they have no labels")
            elif (part := standard_part(split)) is None:
                others.append(split)
            elif part in by_part:
                raise InputError(
                    f"{self._data}: both splits {by_part[part]!r} and {split!r} could be the "
                    f"{part} part; save the one that is meant as a table"
                )
            else:
                by_part[part] = split
        if "train" not in by_part:
            if len(by_part) + len(others) == 1:
                return {"all": (others or list(by_part.values()))[0]}, notes
            raise InputError(
                f"{self._data}: has no labelled split called train; the splits are "
                f"{', '.join(self._builder.info.splits) or 'none'}"
            )
        names = ", ".join(PART_NAMES)
        notes += [f"left out the split {split!r}: it is called none of {names}" for split in others]
        if len(by_part) == 1:
            return {"all": by_part["train"]}, notes
        return {part: by_part[part] for part in PART_NAMES if part in by_part}, notes

    def _has_no_labels(self, split: str) -> bool:
        # A labelled split shows a label in its first row, so only an unlabelled one is read whole.
        labels = (value_of(row, self._label) for row in rows_of(self._data, self._builder, split))
        return all(np.ndim(label) == 0 and label == _NO_LABEL for label in labels)

    def _read(self, part: str) -> Iterator[Example]:
        split = self._splits[part]
        for number, row in enumerate(rows_of(self._data, self._builder, split), start=1):
            where = f"{self._data}/{split}:{number}"
            text = self._decoded(value_of(row, self._text), where)
            label = self._read_label(self._decoded(value_of(row, self._label), where))
            if label is None:
                raise InputError(f"{where}: has no label; give --label-column another feature")
            yield Example(text, label, where)

    def _decoded(self, value: Any, where: str) -> Any:
        """Returns a value, or a list of values, with bytes as strings."""
        if isinstance(value, bytes):
            return decode(value, self._encoding, where)
        return [self._decoded(one, where) for one in value] if np.ndim(value) else value


def open_tfds(data: str, columns: Columns, encoding: str) -> TfdsSource:
    """Opens a TFDS set; prepares it if it is not there yet and can be downloaded.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", either perhaps with ":VERSION".
        columns: names of the features that hold text and label. Default: the set's own choice
            (its `supervised_keys`), else the usual names.
        encoding: name of the encoding of the texts, and of labels that are strings.

    Raises:
        InputError: if there is no such set, if it is neither prepared nor can be downloaded, or if
            it holds no text with labels.
    """
    columns.refuse_table_flags(f"{data}: sets of TensorFlow Datasets")
    builder = open_builder(data, lambda info: _choose_features(data, info, columns))
    return TfdsSource(data, builder, columns, encoding)


# === Which features hold text and label ===


def _choose_features(data: str, info: Any, columns: Columns) -> tuple[str, str]:
    features = flat_features(info.features)
    names = list(features)
    text, label = (info.supervised_keys or (None, None))[:2]
    if text not in names or not is_text(features[text]):
        text = None
    if label not in names or not _label_reader(features[label]):
        label = None
    wanted = Columns(columns.text or text, columns.label or label)
    at_text, at_label = choose_columns(names, wanted, data, positions=False)
    for at, flag, fits, kind in (
        (at_text, "--text-column", is_text, "text"),
        (at_label, "--label-column", _label_reader, "label (a class, a number, a string, a list)"),
    ):
        if not fits(features[names[at]]):
            others = [name for name, feature in features.items() if fits(feature)]
            raise InputError(
                f"{data}: the feature {names[at]!r} is no {kind}; give {flag} one of these: "
                f"{', '.join(others) or 'none fits'}"
            )
    return names[at_text], names[at_label]


def _label_reader(feature: Any) -> Callable[[Any], str | tuple[str, ...] | None] | None:
    """Returns what turns values of a feature into labels; `None` if they can be none."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.Sequence):
        one = _label_reader(feature.feature)
        if one is None or isinstance(feature.feature, tfds.features.Sequence):
            return None

        def label_list(values: Any) -> tuple[str, ...] | None:
            names = [one(value) for value in values]
            return None if None in names else tuple(dict.fromkeys(names))

        return label_list
    if isinstance(feature, tfds.features.ClassLabel):
        return lambda value: None if value == _NO_LABEL else feature.int2str(int(value))
    if is_text(feature):
        return lambda value: value.strip() or None
    if isinstance(feature, tfds.features.Tensor) and feature.shape == ():
        if feature.np_dtype == np.bool_:
            return lambda value: str(bool(value)).lower()
        if np.issubdtype(feature.np_dtype, np.integer):
            return lambda value: str(int(value))
    return None
