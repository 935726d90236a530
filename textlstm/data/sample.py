"""The embedded reviews, English and Chinese, so that everything runs with no network.

Each language is a file `samples/reviews_LANGUAGE.json`: *frames*, sentences with slots; *phrases*,
clauses and adjectives that are positive or negative; *subjects*, what is reviewed; and reviews
*written* freely. Reviews are unfolded from them by a seed. Frames and phrases belong to either
"train" or "test", so a test review is made of words and turns that training never put together.

The slots of a frame:

- `{subject}`: what is reviewed;
- `{same.clause}`, `{same.adjective}`: a phrase of the review's own polarity;
- `{other.clause}`, `{other.adjective}`: a phrase of the opposite polarity, for frames that take it
  back ("I was told that {other.clause}, but {same.clause}.").

All phrases of a review come from its subject's domain or from "general". A frame whose meaning has
a polarity of its own says so by the key "polarity".
"""

import json
import random
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import chain
from pathlib import Path

from textlstm.data.examples import Example, Source
from textlstm.errors import InputError

LANGUAGES = ("en", "zh")
LABELS = ("negative", "positive")

_SLOT = re.compile(r"\{(subject|(?:same|other)\.(?:clause|adjective))\}")
# The first letter of the text and of each sentence, past quotes; "..." does not end a sentence, and
# neither does a single quote, after which a speaker may follow ('Again?' they asked).
_SENTENCE_START = re.compile(r"""(?:^|(?<!\.\.)(?<=[.!?])["”]?\s+)["'“‘(]*([a-z])""")

_TRAIN_COUNT = 6_000
_TEST_COUNT = 600


class SampleReviews:
    """The building blocks of one language.

    Args:
        blocks: what the json file holds; see the module's text.
    """

    def __init__(self, blocks: Mapping):
        self.language = blocks["language"]
        self.written = [(row["label"], row["text"]) for row in blocks["written"]]
        self._subjects: dict[str, list[str]] = {}
        for row in blocks["subjects"]:
            self._subjects.setdefault(row["domain"], []).append(row["text"])
        self._phrases: dict[tuple[str, str, str, str], list[str]] = {}
        for row in blocks["phrases"]:
            key = row["part"], row["domain"], row["kind"], row["polarity"]
            self._phrases.setdefault(key, []).append(row["text"])
        self._frames: dict[tuple[str, str], list[str]] = {}
        for row in blocks["frames"]:
            for label in (row["polarity"],) if "polarity" in row else LABELS:
                self._frames.setdefault((row["part"], label), []).append(row["text"])
        self._domains = sorted({key[1] for key in self._phrases} | set(self._subjects))

    def reviews(self, part: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
        """Yields `count` different pairs of label and text, the labels in turn.

        Args:
            part: "train" or "test".
            count: how many.
            seed: the same seed gives the same reviews; a smaller count gives the first of them.

        Raises:
            InputError: if the blocks do not hold so many different reviews.
        """
        rng = random.Random(f"{self.language}/{part}/{seed}")
        seen: set[str] = set()
        for number in range(count):
            label = LABELS[number % 2]
            frames = self._frames.get((part, label), ())
            for _ in range(1_000 if frames else 0):
                text = self._unfold(_pick(rng, frames), part, label, rng)
                if text is not None and text not in seen:
                    break
            else:
                raise InputError(
                    f"sample, language {self.language!r}, part {part!r}: holds no more than "
                    f"{number:,} different reviews, {count:,} were asked for; ask for fewer"
                )
            seen.add(text)
            yield label, text

    def _unfold(self, frame: str, part: str, label: str, rng: random.Random) -> str | None:
        """Fills the slots of a frame, or returns `None` if no domain has what they need."""
        slots = _SLOT.findall(frame)
        domains = [d for d in self._domains if self._fits(slots, part, label, d)]
        if not domains:
            return None
        domain = _pick(rng, domains)
        # Each phrase is drawn once, so that a kind of slot that comes twice gets two phrases.
        unused: dict[str, list[str]] = {}

        def fill(slot: re.Match) -> str:
            name = slot[1]
            if name not in unused:
                unused[name] = self._choices(name, part, label, domain)
            return unused[name].pop(int(rng.random() * len(unused[name])))

        text = _SLOT.sub(fill, frame)
        if self.language == "en":
            text = _SENTENCE_START.sub(lambda found: found[0][:-1] + found[1].upper(), text)
        return text

    def _fits(self, slots: list[str], part: str, label: str, domain: str) -> bool:
        return all(
            len(self._choices(slot, part, label, domain)) >= slots.count(slot)
            for slot in set(slots)
        )

    def _choices(self, slot: str, part: str, label: str, domain: str) -> list[str]:
        if slot == "subject":
            return list(self._subjects.get(domain, ()))
        side, kind = slot.split(".")
        polarity = label if side == "same" else LABELS[1 - LABELS.index(label)]
        # In this order, and once: the domain itself may be "general".
        domains = dict.fromkeys((domain, "general"))
        return list(
            chain.from_iterable(self._phrases.get((part, d, kind, polarity), ()) for d in domains)
        )


def _pick(rng: random.Random, choices: list[str]) -> str:
    # Of all its methods, Python promises only random() to give the same numbers in later versions.
    return choices[int(rng.random() * len(choices))]


def load_reviews(language: str | Mapping | Path) -> SampleReviews:
    """Loads the building blocks of one language.

    Args:
        language: "en" or "zh"; or the path of a json file, or its content, of the same form.

    Raises:
        InputError: if there is no such language.
    """
    if isinstance(language, Mapping):
        return SampleReviews(language)
    if isinstance(language, Path):
        return SampleReviews(json.loads(language.read_text(encoding="utf-8")))
    if language not in LANGUAGES:
        raise InputError(
            f"sample: there are no reviews in {language!r}; the languages are "
            f"{', '.join(LANGUAGES)}"
        )
    file = resources.files("textlstm.data").joinpath("samples", f"reviews_{language}.json")
    return SampleReviews(json.loads(file.read_text(encoding="utf-8")))


def sample_reviews(
    language: str | Mapping | Path, part: str, count: int, seed: int = 0
) -> list[Example]:
    """Unfolds embedded reviews.

    Args:
        language: "en" or "zh"; or the path of a file of blocks, or its content.
        part: "train" or "test".
        count: how many; half of them are negative, half positive, and no two are equal.
        seed: the same seed gives the same reviews. Default: 0.

    Raises:
        InputError: if there is no such language, or there are not so many different reviews.
    """
    blocks = load_reviews(language)
    return list(_examples(blocks, part, blocks.reviews(part, count, seed)))


def written_reviews(language: str | Mapping | Path) -> list[Example]:
    """Returns the embedded reviews that were written freely, without frames.

    Args:
        language: "en" or "zh"; or the path of a file of blocks, or its content.
    """
    blocks = load_reviews(language)
    return list(_examples(blocks, "written", blocks.written))


def _examples(blocks: SampleReviews, part: str, rows) -> Iterator[Example]:
    for number, (label, text) in enumerate(rows, start=1):
        yield Example(text, label, f"sample/{blocks.language}/{part}:{number}")


class SampleSource(Source):
    """The embedded reviews of all languages, in turn: parts "train", "test" and "written".

    Args:
        train_count: training reviews of each language. Default: 6,000.
        test_count: test reviews of each language. Default: 600.
        seed: of the unfolding. Default: 0.
    """

    def __init__(
        self, train_count: int = _TRAIN_COUNT, test_count: int = _TEST_COUNT, seed: int = 0
    ):
        super().__init__(
            "sample",
            f"embedded reviews, {' and '.join(LANGUAGES)}, unfolded from frames and phrases",
            ("train", "test", "written"),
        )
        self._counts = {"train": train_count, "test": test_count}
        self._seed = seed

    def _read(self, part: str) -> Iterator[Example]:
        def examples(blocks: SampleReviews) -> Iterator[Example]:
            if part == "written":
                rows = iter(blocks.written)
            else:
                rows = blocks.reviews(part, self._counts[part], self._seed)
            return _examples(blocks, part, rows)

        yield from _in_turn([examples(load_reviews(language)) for language in LANGUAGES])


def _in_turn(iterators: list[Iterator[Example]]) -> Iterator[Example]:
    while iterators:
        for iterator in list(iterators):
            if (example := next(iterator, None)) is None:
                iterators.remove(iterator)
            else:
                yield example
