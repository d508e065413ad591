"""Records, rewritten: one text of a pair at a time, tags at their words."""

from tl.rewriting.base import Rewrite
from tl.rewriting.records import Wanted, rewrite_tagged, rewrite_texts
from tl.rewriting.rules import RuleRewriter

PAIR = {"premise": "Anna slept well in the big hotel.", "hypothesis": "Anna was very tired",
        "label": "no", "id": "7"}  # fmt: skip
TAGGED = {"tokens": "Anna slept well in the big hotel .".split(), "ner_tags": ["B-PER", *"OOOOOOO"]}


class Fixed:
    """Proposes the same for every text."""

    def __init__(self, *texts):
        self.texts = texts

    def rewrite(self, text, k, seed):
        return [Rewrite(new, "fixed") for new in self.texts][:k]


def test_of_a_pair_one_text_changes_at_a_time_in_turn():
    found, _ = rewrite_texts(["premise", "hypothesis"])(PAIR, Wanted(RuleRewriter(), 4, 0))
    assert len(found) == 4
    for i, one in enumerate(found):
        changed, kept = ("premise", "hypothesis") if i % 2 == 0 else ("hypothesis", "premise")
        assert one.record[changed] != PAIR[changed]
        assert {**one.record, changed: PAIR[changed]} == PAIR
        assert one.record[kept] == PAIR[kept]


def test_a_pair_of_which_one_text_cannot_change_is_rewritten_on_the_other_side():
    found, _ = rewrite_texts(["premise", "hypothesis"])(
        PAIR | {"premise": "12"}, Wanted(RuleRewriter(), 4, 0)
    )
    assert len(found) == 4
    assert {one.record["premise"] for one in found} == {"12"}


def test_tags_go_with_their_words_and_what_loses_an_entity_is_rejected():
    good, bad = "In the big hotel , Anna slept well .", "She slept well in the big hotel"
    found, rejected = rewrite_tagged(TAGGED, Wanted(Fixed(bad, good), 2, 0))
    assert [one.record["tokens"] for one in found] == [good.split()]
    assert found[0].record["ner_tags"] == ["O"] * 5 + ["B-PER", "O", "O", "O"]
    assert rejected == {"entities": 1}


def test_rules_keep_the_entities_of_a_sentence():
    found, _ = rewrite_tagged(TAGGED, Wanted(RuleRewriter(), 4, 0))
    assert len(found) == 4
    for one in found:
        words, tags = one.record["tokens"], one.record["ner_tags"]
        assert [(w, t) for w, t in zip(words, tags, strict=True) if t != "O"] == [("Anna", "B-PER")]
