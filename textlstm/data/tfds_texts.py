"""Running text of TensorFlow Datasets (TFDS): `tfds:NAME/CONFIG`."""

from collections.abc import Iterator
from typing import Any

from textlstm.data.examples import PART_NAMES, standard_part
from textlstm.data.reading import decode
from textlstm.data.table_files import TEXT_COLUMNS
from textlstm.data.texts import Text, TextSource
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


class TfdsTextSource(TextSource):
    """A source of one feature of a prepared TFDS set; each row is a text.

    Splits that have no labels are read after the training split, as part of it.

    Args:
        data: what the user wrote, for messages.
        builder: the TFDS builder of the prepared set.
        column: name of the feature; `None`: the one that holds texts.
        encoding: name of the encoding of the texts.

    Raises:
        InputError: if the feature is missing, or no split can be the training part.
    """

    has_columns = True

    def __init__(self, data: str, builder: Any, column: str | None, encoding: str):
        self._data = data
        self._builder = builder
        self._encoding = encoding
        self._column = _choose_feature(data, builder.info, column)
        self._splits, notes = self._choose_splits()
        super().__init__(
            short_name(data),
            f"{builder.info.full_name} of TensorFlow Datasets",
            tuple(self._splits),
            tuple(notes),
        )

    def _choose_splits(self) -> tuple[dict[str, list[str]], list[str]]:
        """Returns the names of the splits of each part, and notes about those left out."""
        names = [name for name, about in self._builder.info.splits.items() if about.num_examples]
        if len(names) == 1:
            return {"all": names}, []
        by_part: dict[str, list[str]] = {}
        others = []
        for name in sorted(names, key=lambda name: name.lower() in UNLABELLED_SPLITS):
            part = "train" if name.lower() in UNLABELLED_SPLITS else standard_part(name)
            if part:
                by_part.setdefault(part, []).append(name)
            else:
                others.append(name)
        if "train" not in by_part:
            raise InputError(
                f"{self._data}: has no split called train; the splits are "
                f"{', '.join(names) or 'none'}"
            )
        calls = ", ".join(PART_NAMES)
        notes = [f"left out the split {split!r}: it is called none of {calls}" for split in others]
        return {part: by_part[part] for part in PART_NAMES if part in by_part}, notes

    def _read(self, part: str) -> Iterator[Text]:
        for split in self._splits[part]:
            for number, row in enumerate(rows_of(self._data, self._builder, split), start=1):
                where = f"{self._data}/{split}:{number}"
                yield Text(decode(value_of(row, self._column), self._encoding, where), where)


def open_tfds_texts(data: str, column: str | None, encoding: str) -> TfdsTextSource:
    """Opens a TFDS set of texts; prepares it if it is not there yet and can be downloaded.

    Args:
        data: "tfds:NAME", "tfds:NAME/CONFIG", either perhaps with ":VERSION".
        column: name of the feature that holds the texts. Default: the only one that does, or the
            one with a usual name.
        encoding: name of the encoding of the texts.

    Raises:
        InputError: if there is no such set, if it is neither prepared nor can be downloaded, or if
            it has no such feature.
    """
    builder = open_builder(data, lambda info: _choose_feature(data, info, column))
    return TfdsTextSource(data, builder, column, encoding)


def _choose_feature(data: str, info: Any, column: str | None) -> str:
    texts = [name for name, feature in flat_features(info.features).items() if is_text(feature)]
    if column in texts:
        return column
    usual = [name for name in TEXT_COLUMNS if name in texts]
    if column is None and (usual or len(texts) == 1):
        return (usual or texts)[0]
    problem = "which feature is meant is not said" if column is None else f"{column!r} is no text"
    raise InputError(
        f"{data}: {problem}; give --text-column one of these: {', '.join(texts) or 'none fits'}"
    )
