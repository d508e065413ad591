"""Made-up articles to try the builder on: some repeat others, whole or almost."""

import random
from collections.abc import Iterator

from tl.data.newsroom import SENTIMENTS, item
from tl.data.records import Record

PARAGRAPHS = 5


def made_up() -> Iterator[Record]:
    """Articles without end, the same for every call; one in ten repeats, or nearly, another."""
    rng = random.Random("articles")
    recent: list[Record] = []
    number = 0
    while True:
        draw = rng.random()
        if recent and draw < 0.1:
            original = recent[int(rng.random() * len(recent))]
            words = original["text"].split()
            if draw < 0.05:
                words[-1] = "today."  # all but one word
            article = original | {"text": " ".join(words)}
        else:
            items = [item("en", _pick(rng), rng) for _ in range(PARAGRAPHS)]
            text = " ".join(one["text"] for one in items)
            article = {"source": f"paper-{number % 7}", "title": items[0]["summary"], "text": text}
            recent = [*recent[-50:], article]
        yield {"id": f"article-{number:07d}", "date": f"2020-01-{1 + number % 28:02d}", **article}
        number += 1


def _pick(rng: random.Random) -> str:
    return SENTIMENTS[int(rng.random() * len(SENTIMENTS))]
