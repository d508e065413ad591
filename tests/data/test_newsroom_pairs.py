"""Generated pairs: half are paraphrases, and the others differ in what they say."""

import pytest

from tl.data.newsroom_pairs import pairs


@pytest.mark.parametrize("language", ["en", "ru"])
def test_half_are_paraphrases_and_a_prefix_stays_the_same(language):
    made = pairs(language, 200)
    assert sum(pair["label"] == "paraphrase" for pair in made) == 100
    assert pairs(language, 50) == made[:50]
    texts = {(pair["text_1"], pair["text_2"]) for pair in made}
    assert len(texts) == 200


@pytest.mark.parametrize("language", ["en", "ru"])
def test_words_in_common_do_not_decide(language):
    def overlap(pair):
        one, other = (set(pair[key].lower().split()) for key in ("text_1", "text_2"))
        return len(one & other) / len(one | other)

    shared = {"paraphrase": [], "non_paraphrase": []}
    for pair in pairs(language, 200):
        shared[pair["label"]].append(overlap(pair))
    # Above 1/2, as in real pairs; but a model that counts common words stays far from 1.
    ahead = [one > other for one in shared["paraphrase"] for other in shared["non_paraphrase"]]
    assert 0.5 < sum(ahead) / len(ahead) < 0.9
