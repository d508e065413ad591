"""Pairs of texts that say the same, or not: reports of `newsroom` with headlines.

The words in common do not decide: the headline of a non-paraphrase is about another event of the
same topic and names ("A bought a depot from B", "A and B to build depot"), or one of its names,
things or numbers is another one ("A buys cable from B").
"""

import random

from tl.data import newsroom
from tl.data.records import Record

CHANGES = ("", "event", "", "word")  # half are paraphrases


def pairs(language: str, n: int) -> list[Record]:
    """The first n pairs, the same on every machine.

    Args:
        language: "en" or "ru".
        n: how many.
    """
    rng = random.Random(f"pairs/{language}/{newsroom.EDITION}")
    made = []
    for i in range(n):
        change = CHANGES[i % len(CHANGES)]
        report, headline = newsroom.report_and_headline(language, rng, change)
        label = "non_paraphrase" if change else "paraphrase"
        made.append({"id": str(i), "text_1": report, "text_2": headline, "label": label})
    return made
