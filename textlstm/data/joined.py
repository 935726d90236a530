"""Several sources, read as one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from textlstm.data.examples import Example, Source
from textlstm.errors import InputError

_LONGEST_NAME = 60


class JoinedSource(Source):
    """The rows of several sources, one source after another.

    Each example carries the name of the source it came from, so that scores can be given for each.
    Sources of the same name are told apart by a number: "train", "train-2".

    Args:
        sources: what to join; all bring the same parts.

    Attributes:
        names: the name of each source, as the examples carry it.

    Raises:
        InputError: if the sources do not bring the same parts.
    """

    def __init__(self, sources: Sequence[Source]):
        first = sources[0]
        for other in sources[1:]:
            if set(other.parts) != set(first.parts):
                raise InputError(
                    f"{first.name} brings {_shown(first)} and {other.name} {_shown(other)}; "
                    "only sets that bring the same parts can be used together"
                )
        super().__init__(
            "+".join(source.name for source in sources)[:_LONGEST_NAME].rstrip("+-."),
            f"{len(sources)} sets: {'; '.join(source.description for source in sources)}",
            first.parts,
            tuple(note for source in sources for note in source.notes),
        )
        self._sources = tuple(sources)
        self.names = _told_apart([source.name for source in sources])

    def _read(self, part: str) -> Iterator[Example]:
        # Unchecked: a file may well hold a single class, or no text, as long as not all do.
        for name, source in zip(self.names, self._sources, strict=True):
            for example in source._read(part):
                yield replace(example, source=name)


def _shown(source: Source) -> str:
    return "no parts" if source.parts == ("all",) else f"the parts {', '.join(source.parts)}"


def _told_apart(names: list[str]) -> tuple[str, ...]:
    told: list[str] = []
    for name in names:
        number, unique = 1, name
        while unique in told:
            number += 1
            unique = f"{name}-{number}"
        told.append(unique)
    return tuple(told)
