"""A corpus of short news items, generated: `newsroom` (English) and `newsroom-ru` (Russian).

Each item has the columns of three tasks: a sentiment, IOB2 tags of people, organisations and
places, and a summary. It is made to reward transfer. Training items draw on half of the names and
of the words of opinion; in validation and test every second draw comes from words that training
never shows, a quarter of the lexicon each. All sentiments share all sentences, and most sentences
take any kind of name, so what decides is knowing the words: that "dismal" is bad, that Osaka is a
place. Negation and contrast ("despite a dismal start, ...") ask for more than a bag of words.
"""

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from tl.data import newsroom_en, newsroom_en_text, newsroom_ru, newsroom_ru_text
from tl.data.newsroom_forms import Word
from tl.data.records import Dataset, Record

SENTIMENTS = ("positive", "negative", "neutral")
OPPOSITE = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
SIZES = {  # subset -> items per split, 70/15/15
    "classification": {"train": 700, "validation": 150, "test": 150},
    "ner": {"train": 700, "validation": 150, "test": 150},
    "summarization": {"train": 2100, "validation": 450, "test": 450},
}
LANGUAGES = {
    "en": ("newsroom", newsroom_en, newsroom_en_text),
    "ru": ("newsroom-ru", newsroom_ru, newsroom_ru_text),
}
ANY_KIND = ("PER", "ORG", "LOC")
SLOT_KINDS = {"P": ("PER",), "O": ("ORG",), "L": ("LOC",)} | dict.fromkeys("ABCDE", ANY_KIND)
WORDS_OF_OPINION = {"adjective": "ADJECTIVES", "noun": "NOUNS", "verb": "VERBS"}
STANCES = ("plain",) * 8 + ("negation",) * 5 + ("contrast",) * 7  # 40, 25 and 35 percent
ORDERS = (
    ("report", "opinion"),
    ("report", "opinion", "background"),
    ("report", "background", "opinion"),
    ("opinion", "report"),
    ("opinion", "report", "background"),
)
PORTION_SALT = "671"  # tried until every list had words enough in every portion
EDITION = 12  # the seed; chosen so that the share of new words is near one half in every split
NO_SPACE_BEFORE = (".", ",", ":")

T = TypeVar("T")
Tagged = list[tuple[str, str]]  # (word, IOB2 tag)


def newsroom(language: str, subset: str) -> Dataset:
    """The generated corpus of one language; the subsets share no text.

    Args:
        language: "en" or "ru".
        subset: "classification", "ner" (1,000 items each) or "summarization" (3,000 items).

    Raises:
        ValueError: for an unknown language or subset.
    """
    for asked, allowed, what in ((language, LANGUAGES, "language"), (subset, SIZES, "subset")):
        if asked not in allowed:
            raise ValueError(f"newsroom has no {what} {asked!r}; choose from {', '.join(allowed)}")
    name = LANGUAGES[language][0]
    texts: set[str] = set()
    splits = {}
    for split, size in SIZES[subset].items():
        rng = random.Random(f"{name}/{subset}/{split}/{EDITION}")
        sentiments = [SENTIMENTS[i % len(SENTIMENTS)] for i in range(size)]
        records = [_fresh(language, split, sentiment, rng, texts) for sentiment in sentiments]
        _shuffle(records, rng)
        splits[split] = [
            {"id": f"{name}-{subset}-{split}-{i:04d}", **record} for i, record in enumerate(records)
        ]
    return Dataset(name, splits)


def item(language: str, sentiment: str, rng: random.Random) -> Record:
    """One more item, of the kind that train holds: the columns of all tasks, without an id."""
    return _Item(language, "train", sentiment, rng).record()


def report_and_headline(language: str, rng: random.Random, change: str = "") -> tuple[str, str]:
    """A report and its headline.

    Args:
        language: "en" or "ru".
        rng: where chance comes from.
        change: "event": the headline is that of another event of the topic, with the same names;
            "word": one name, thing or number in it is another one; "": it fits.
    """
    return _Item(language, "train", "neutral", rng).report_and_headline(change)


def portion(word: Word) -> str:
    """The part of the lexicon a word is in: "seen" (half), "validation" or "test" (a quarter each).

    It depends on the first letters alone: a name of two kinds is seen, or held out, as both, and
    so are relatives (disaster and disastrous, New York and New Delhi).
    """
    digest = hashlib.sha256((PORTION_SALT + word[0][:4].lower()).encode()).digest()
    return ("seen", "seen", "validation", "test")[digest[0] % 4]


def detokenise(tokens: Sequence[str]) -> str:
    """The running text of a list of words: no space before a full stop."""
    spaced = [token if token in NO_SPACE_BEFORE else " " + token for token in tokens]
    return "".join(spaced).lstrip()


@cache
def _pool(language: str, lexicon: str, key: str | None, part: str) -> tuple[Word, ...]:
    """The words of a lexicon (or of its entry `key`) that are in one portion."""
    words = getattr(LANGUAGES[language][1], lexicon)
    return tuple(word for word in (words if key is None else words[key]) if portion(word) == part)


def _pick(rng: random.Random, options: Sequence[T]) -> T:
    # Of the generator's methods only random() is promised to stay the same in later Pythons.
    return options[int(rng.random() * len(options))]


def _shuffle(items: list, rng: random.Random) -> None:
    """Shuffles in place (Fisher and Yates)."""
    for last in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        items[last], items[other] = items[other], items[last]


def _fresh(
    language: str, split: str, sentiment: str, rng: random.Random, texts: set[str]
) -> Record:
    """A record whose text is not in `texts` yet; adds it there."""
    while True:
        record = _Item(language, split, sentiment, rng).record()
        if record["text"] not in texts:
            texts.add(record["text"])
            return record


class _Item:
    """One news item: a report, an opinion, sometimes a background; its slots are filled once."""

    def __init__(self, language: str, split: str, sentiment: str, rng: random.Random) -> None:
        self.language = language
        self.split = split
        self.sentiment = sentiment
        self.rng = rng
        self.names, self.templates = LANGUAGES[language][1:]
        self.topic = _pick(rng, tuple(self.templates.TOPICS.values()))
        self.filled: dict[str, tuple[list[Word], str]] = {}  # slot -> its words, its kind of name

    def record(self) -> Record:
        """The columns of the item, all but its id."""
        report, summary = _pick(self.rng, self.topic["events"])
        sentences = {
            "report": report,
            "opinion": _pick(self.rng, self.templates.OPINIONS[_pick(self.rng, STANCES)]),
            "background": _pick(self.rng, self.templates.BACKGROUNDS),
        }
        order = _pick(self.rng, ORDERS)
        tagged = [pair for part in order for pair in self._sentence(sentences[part])]
        tokens = [word for word, _ in tagged]
        return {
            "text": detokenise(tokens),
            "tokens": tokens,
            "sentiment": self.sentiment,
            "ner_tags": [tag for _, tag in tagged],
            "summary": detokenise([word for word, _ in self._sentence(summary)]),
        }

    def report_and_headline(self, change: str) -> tuple[str, str]:
        report, headline = _pick(self.rng, self.topic["events"])
        text = self._sentence(report)
        if change == "event":
            headline = _pick(self.rng, [own for _, own in self.topic["events"] if own != headline])
        if change == "word":
            self._refill(_pick(self.rng, re.findall(r"{(\w+)", headline)))
        first, second = (
            detokenise([word for word, _ in side]) for side in (text, self._sentence(headline))
        )
        return first, second

    def _refill(self, slot: str) -> None:
        """Draws the words of a slot until they are others."""
        old = self.filled[slot]
        while self.filled[slot] == old:
            self.filled[slot] = self._fill(slot)

    def _sentence(self, template: str) -> Tagged:
        """The words of a template, its slots filled, with their tags."""
        tagged: Tagged = []
        for piece in template.split():
            tagged += self._slot(piece[1:-1]) if piece[0] == "{" else [(piece, "O")]
        followers = [word for word, _ in tagged[1:]] + [""]
        tagged = [
            (self.templates.agree(word, following), tag)
            for (word, tag), following in zip(tagged, followers, strict=True)
        ]
        first, tag = tagged[0]
        return [(first[0].upper() + first[1:], tag), *tagged[1:]]

    def _slot(self, slot: str) -> Tagged:
        """The words of a slot, perhaps in a named form ("A:genitive"), with their tags."""
        slot, _, form = slot.partition(":")
        if slot not in self.filled:
            self.filled[slot] = self._fill(slot)
        words, kind = self.filled[slot]
        index = self.names.FORMS.index(form) if form else 0
        tokens = [token for word in words for token in word[index].split()]
        if kind == "O":
            return [(token, "O") for token in tokens]
        return [(token, f"{'I' if i else 'B'}-{kind}") for i, token in enumerate(tokens)]

    def _fill(self, slot: str) -> tuple[list[Word], str]:
        """Draws the words of a slot and the kind of its name ("O": not a name)."""
        base = slot.rstrip("-2")  # an opposite is "noun-", a second place "L2"
        if base in SLOT_KINDS:
            kind = _pick(self.rng, SLOT_KINDS[base])
            return self._new(lambda: self._name(kind, only_kind=len(SLOT_KINDS[base]) == 1)), kind
        if base in WORDS_OF_OPINION:
            sentiment = OPPOSITE[self.sentiment] if slot.endswith("-") else self.sentiment
            lexicon = WORDS_OF_OPINION[base]
            return self._new(lambda: [self._drawn(lexicon, sentiment, self._part())]), "O"
        fillers = self.topic.get(base) or self.templates.FILLERS[base]
        return self._new(lambda: [_pick(self.rng, fillers)]), "O"

    def _new(self, draw: Callable[[], list[Word]]) -> list[Word]:
        """Draws until no word repeats one of the item."""
        used = {word for words, _ in self.filled.values() for word in words}
        while used.intersection(words := draw()):
            pass
        return words

    def _part(self) -> str:
        """The portion to draw from: half of the draws outside training are held-out words."""
        return "seen" if self.split == "train" or self.rng.random() < 0.5 else self.split

    def _drawn(self, lexicon: str, key: str | None, part: str) -> Word:
        return _pick(self.rng, _pool(self.language, lexicon, key, part))

    def _name(self, kind: str, only_kind: bool) -> list[Word]:
        """A name; one in three is of two kinds (Jordan) where the slot takes only one kind."""
        suffix = "_OF_TWO_KINDS" if only_kind and self.rng.random() < 1 / 3 else ""
        part = self._part()
        if kind != "PER":
            lexicon = {"ORG": "ORGANISATIONS", "LOC": "PLACES"}[kind]
            return [self._drawn(lexicon + suffix, None, part)]
        gender = _pick(self.rng, tuple(self.names.FIRST_NAMES))
        surname = self._drawn("SURNAMES" + suffix, gender, part)
        if self.rng.random() < 1 / 3:
            return [surname]
        return [self._drawn("FIRST_NAMES", gender, part), surname]
