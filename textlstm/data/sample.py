"""The embedded reviews, English and Chinese, so that everything runs with no network.

Each language is a file `samples/reviews_LANGUAGE.json`: *frames*, sentences with slots; *phrases*,
clauses and adjectives that are positive or negative; *opinions*, such clauses about any of the
*aspects* of a domain; *subjects*, what is reviewed; and reviews *written* freely. Reviews are
unfolded from them by a seed. Frames, phrases and opinions belong to "train", "validation" or
"test", so a test review is made of words and turns that training never put together.

The slots of a frame:

- `{subject}`: what is reviewed;
- `{same.clause}`, `{same.adjective}`: a phrase of the review's own polarity;
- `{other.clause}`, `{other.adjective}`: a phrase of the opposite polarity, for frames that take it
  back ("I was told that {other.clause}, but {same.clause}.").

A clause is a phrase or, four times out of five, an opinion about an aspect, whose slots are
`{aspect}` and, where the verb agrees with it, `{is}`, `{was}`, `{has}`, `{does}` and `{s}`. All
phrases and aspects of a review come from its subject's domain or from "general". A frame whose
meaning has a polarity of its own says so by the key "polarity".
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
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

# What a slot of an opinion becomes with an aspect in the singular and in the plural.
_AGREEMENT = {
    "is": ("is", "are"),
    "was": ("was", "were"),
    "has": ("has", "have"),
    "does": ("does", "do"),
    "s": ("s", ""),
}
_OPINION_SHARE = 0.8

# How often those that were written freely are trained on, as they are few and unlike each other.
_WRITTEN_TIMES = 3
_COUNTS = {"train": 12_000, "validation": 600, "test": 600}


class SampleReviews:
    """The building blocks of one language.

    Args:
        blocks: what the json file holds; see the module's text.
    """

    def __init__(self, blocks: Mapping):
        self.language = blocks["language"]
        self.written: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
        for row in blocks["written"]:
            self.written[row.get("part", "test")].append((row["label"], row["text"]))
        self._subjects: dict[str, list[str]] = {}
        for row in blocks["subjects"]:
            self._subjects.setdefault(row["domain"], []).append(row["text"])
        self._phrases: dict[tuple[str, str, str, str], list[str]] = {}
        for row in blocks["phrases"]:
            key = row["part"], row["domain"], row["kind"], row["polarity"]
            self._phrases.setdefault(key, []).append(row["text"])
        self._aspects: dict[str, list[tuple[str, bool]]] = {}
        for row in blocks.get("aspects", ()):
            self._aspects.setdefault(row["domain"], []).append(
                (row["text"], row.get("plural", False))
            )
        self._opinions: dict[tuple[str, str], list[str]] = {}
        for row in blocks.get("opinions", ()):
            self._opinions.setdefault((row["part"], row["polarity"]), []).append(row["text"])
        self._frames: dict[tuple[str, str], list[str]] = {}
        for row in blocks["frames"]:
            for label in (row["polarity"],) if "polarity" in row else LABELS:
                self._frames.setdefault((row["part"], label), []).append(row["text"])
        self._domains = sorted({key[1] for key in self._phrases} | set(self._subjects))

    def reviews(self, part: str, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
        """Yields `count` different pairs of label and text, the labels in turn.

        Args:
            part: "train", "validation" or "test".
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
                text = self._unfold(pick(rng, frames), part, label, rng)
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
        domain = pick(rng, domains)
        # Each phrase is drawn once, so that a kind of slot that comes twice gets two phrases.
        unused: dict[str, list[str]] = {}

        def fill(slot: re.Match) -> str:
            name = slot[1]
            opinions = self._opinions.get((part, _polarity(name, label)))
            aspects = self._aspects.get(domain)
            if name.endswith("clause") and opinions and aspects and rng.random() < _OPINION_SHARE:
                return _agree(pick(rng, opinions), *pick(rng, aspects))
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
        kind, polarity = slot.split(".")[1], _polarity(slot, label)
        # In this order, and once: the domain itself may be "general".
        domains = dict.fromkeys((domain, "general"))
        return list(
            chain.from_iterable(self._phrases.get((part, d, kind, polarity), ()) for d in domains)
        )


def _polarity(slot: str, label: str) -> str:
    """Returns the polarity of what fills a slot in a review of the given label."""
    return LABELS[1 - LABELS.index(label)] if slot.startswith("other") else label


def _agree(opinion: str, aspect: str, plural: bool) -> str:
    """Puts an aspect into an opinion: "{aspect} {was} fine" to "the rooms were fine"."""
    forms = {name: words[plural] for name, words in _AGREEMENT.items()}
    return opinion.format(aspect=aspect, **forms)


def pick(rng: random.Random, choices: list):
    """Draws one of the choices; the same number of the generator is the same choice for ever."""
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
        part: "train", "validation" or "test".
        count: how many; half of them are negative, half positive, and no two are equal.
        seed: the same seed gives the same reviews. Default: 0.

    Raises:
        InputError: if there is no such language, or there are not so many different reviews.
    """
    blocks = load_reviews(language)
    return list(_examples(blocks, part, blocks.reviews(part, count, seed)))


def written_reviews(language: str | Mapping | Path, part: str = "test") -> list[Example]:
    """Returns the embedded reviews that were written freely, without frames.

    Args:
        language: "en" or "zh"; or the path of a file of blocks, or its content.
        part: "train" or "test". Default: "test".
    """
    blocks = load_reviews(language)
    return list(_examples(blocks, f"written-{part}", blocks.written[part]))


def _examples(blocks: SampleReviews, part: str, rows) -> Iterator[Example]:
    for number, (label, text) in enumerate(rows, start=1):
        yield Example(text, label, f"sample/{blocks.language}/{part}:{number}")


class SampleSource(Source):
    """The embedded reviews, those of several languages in turn.

    The parts are "train" (unfolded reviews, and behind them some that were written freely, three
    times each), "validation", "test" (both unfolded) and "written" (the rest of those written
    freely).

    Args:
        counts: unfolded reviews of each language in each part. Default: train 12,000,
            validation 600, test 600.
        seed: of the unfolding. Default: 0.
        languages: default "en" and "zh".
    """

    def __init__(
        self,
        counts: Mapping[str, int] = _COUNTS,
        seed: int = 0,
        languages: Sequence[str] = LANGUAGES,
    ):
        super().__init__(
            "sample" if tuple(languages) == LANGUAGES else f"sample-{'-'.join(languages)}",
            f"embedded reviews, {' and '.join(languages)}, unfolded from frames and phrases: for "
            "demonstration, no substitute for real ones",
            ("train", "validation", "test", "written"),
        )
        self._counts = counts
        self._seed = seed
        self._languages = tuple(languages)

    def _read(self, part: str) -> Iterator[Example]:
        languages = [load_reviews(language) for language in self._languages]
        if part in self._counts:
            count = self._counts[part]
            yield from _in_turn(
                [_examples(b, part, b.reviews(part, count, self._seed)) for b in languages]
            )
        if part in ("train", "written"):
            kind, times = ("train", _WRITTEN_TIMES) if part == "train" else ("test", 1)
            for _ in range(times):
                written = (_examples(b, f"written-{kind}", b.written[kind]) for b in languages)
                yield from _in_turn(list(written))


def _in_turn(iterators: list[Iterator[Example]]) -> Iterator[Example]:
    while iterators:
        for iterator in list(iterators):
            if (example := next(iterator, None)) is None:
                iterators.remove(iterator)
            else:
                yield example
