# ruff: noqa: RUF001 - the Russian words of the tests are meant to be Cyrillic.
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from tl.data import newsroom as module
from tl.data.newsroom import LANGUAGES, SENTIMENTS, SIZES, detokenise, newsroom, portion
from tl.data.records import SPLITS

CORPORA = [(language, subset) for language in LANGUAGES for subset in SIZES]
each_corpus = pytest.mark.parametrize(("language", "subset"), CORPORA)
each_language = pytest.mark.parametrize("language", LANGUAGES)
both_labelled = pytest.mark.parametrize("subset", ["classification", "ner"])
generated = cache(newsroom)  # the tests only read it


def records_of(language, subset):
    return [record for split in SPLITS for record in generated(language, subset).splits[split]]


def names_of(record):
    """The (kind, words) of each name of a record."""
    names = []
    for token, tag in zip(record["tokens"], record["ner_tags"], strict=True):
        if tag[0] == "B":
            names.append((tag[2:], (token,)))
        elif tag[0] == "I":
            kind, words = names[-1]
            names[-1] = (kind, (*words, token))
    return names


def words_of_opinion(language, sentiments=("positive", "negative")):
    """Every form of a word of opinion -> the name of the word."""
    names = LANGUAGES[language][1]
    return {
        form: word[0]
        for lexicon in (names.ADJECTIVES, names.NOUNS, names.VERBS)
        for sentiment in sentiments
        for word in lexicon[sentiment]
        for form in word
    }


def templates_of(language):
    text = LANGUAGES[language][2]
    events = [report for topic in text.TOPICS.values() for report, _ in topic["events"]]
    opinions = [sentence for sentences in text.OPINIONS.values() for sentence in sentences]
    return [*events, *opinions, *text.BACKGROUNDS]


@each_corpus
def test_sizes_proportions_and_columns(language, subset):
    dataset = generated(language, subset)
    assert dataset.name == {"en": "newsroom", "ru": "newsroom-ru"}[language]
    assert {split: len(records) for split, records in dataset.splits.items()} == SIZES[subset]
    assert SIZES[subset]["train"] == 0.7 * sum(SIZES[subset].values())
    assert SIZES[subset]["validation"] == SIZES[subset]["test"]
    columns = ["id", "text", "tokens", "sentiment", "ner_tags", "summary"]
    assert all(dataset.columns(split) == columns for split in SPLITS)
    ids = [record["id"] for record in records_of(language, subset)]
    assert len(set(ids)) == len(ids)


@each_corpus
def test_every_split_has_all_sentiments_alike(language, subset):
    for records in generated(language, subset).splits.values():
        counts = Counter(record["sentiment"] for record in records)
        assert set(counts) == set(SENTIMENTS)
        assert max(counts.values()) - min(counts.values()) <= 1


@each_language
def test_no_text_is_in_two_splits_or_two_subsets(language):
    texts = [record["text"] for subset in SIZES for record in records_of(language, subset)]
    assert len(set(texts)) == len(texts)


@each_corpus
def test_tokens_tags_and_text_agree(language, subset):
    kinds = set()
    for record in records_of(language, subset):
        assert len(record["tokens"]) == len(record["ner_tags"])
        assert record["text"] == detokenise(record["tokens"])
        assert not re.search(r"[{}]|  | [.,:]", record["text"] + record["summary"])
        for previous, tag in zip(["O", *record["ner_tags"]], record["ner_tags"], strict=False):
            assert tag == "O" or tag[:2] == "B-" or previous[2:] == tag[2:]
            kinds.add(tag[2:])
    assert kinds == {"", "PER", "ORG", "LOC"}


@each_language
def test_lengths(language):
    lengths = [len(record["tokens"]) for record in records_of(language, "ner")]
    assert sum(lengths) >= 20_000
    assert min(lengths) >= 10
    assert max(lengths) <= 60


def test_detokenise():
    assert detokenise(["It", ",", "too", ":", "rain", "."]) == "It, too: rain."


@each_language
@both_labelled
@pytest.mark.parametrize("split", ["validation", "test"])
def test_half_of_the_words_of_opinion_are_new(language, subset, split):
    names = words_of_opinion(language)
    used = {
        part: [
            names[token.lower()]
            for record in generated(language, subset).splits[part]
            for token in record["tokens"]
            if token.lower() in names
        ]
        for part in ("train", split)
    }
    new = [word not in set(used["train"]) for word in used[split]]
    assert 0.4 <= sum(new) / len(new) <= 0.6


@each_language
@both_labelled
@pytest.mark.parametrize("split", ["validation", "test"])
def test_half_of_the_names_are_new(language, subset, split):
    splits = generated(language, subset).splits
    known = {words[-1] for record in splits["train"] for _, words in names_of(record)}
    new = [words[-1] not in known for record in splits[split] for _, words in names_of(record)]
    assert 0.4 <= sum(new) / len(new) <= 0.6


@each_language
def test_validation_and_test_hold_out_different_words(language):
    names = words_of_opinion(language, SENTIMENTS)
    for record in generated(language, "ner").splits["validation"]:
        words = [names[token.lower()] for token in record["tokens"] if token.lower() in names]
        assert all(portion((word,)) != "test" for word in words)


def lists_of_words(language):
    for name, value in vars(LANGUAGES[language][1]).items():
        if name.isupper() and name != "FORMS" and not name.startswith("_"):
            for key, words in value.items() if isinstance(value, dict) else [("", value)]:
                yield pytest.param(words, id=f"{language}-{name}-{key}")


@pytest.mark.parametrize("words", [words for lang in LANGUAGES for words in lists_of_words(lang)])
def test_every_list_has_words_in_every_portion(words):
    assert len(set(words)) == len(words)
    counts = Counter(portion(word) for word in words)
    assert counts["seen"] >= 4
    assert min(counts["validation"], counts["test"]) >= 2


@each_language
def test_no_word_of_opinion_has_two_sentiments_and_neutral_items_have_none(language):
    forms = {sentiment: words_of_opinion(language, [sentiment]) for sentiment in SENTIMENTS}
    assert not forms["positive"].keys() & forms["negative"].keys()
    loaded = forms["positive"].keys() | forms["negative"].keys()
    for record in records_of(language, "classification"):
        if record["sentiment"] == "neutral":
            assert not loaded & {token.lower() for token in record["tokens"]}


@each_language
def test_no_shortcut_by_sentence_or_kind_of_name(language):
    """Each sentiment has as many names of each kind, and as much contrast and negation."""
    markers = {"en": {"not", "Despite", "despite", "but"}, "ru": {"не", "Вместо", "хотя", "но"}}
    shares = defaultdict(list)
    for sentiment in SENTIMENTS:
        records = [r for r in records_of(language, "summarization") if r["sentiment"] == sentiment]
        kinds = Counter(kind for record in records for kind, _ in names_of(record))
        for kind, count in kinds.items():
            shares[kind].append(count / len(records))
        marked = sum(bool(markers[language].intersection(record["tokens"])) for record in records)
        shares["marked"].append(marked / len(records))
    for of_each_sentiment in shares.values():
        assert max(of_each_sentiment) < 1.15 * min(of_each_sentiment)


@each_language
def test_opposite_words_occur_in_both_sentiments(language):
    """A bag of words cannot be enough: half of the loaded items have a word of the other side."""
    for sentiment, other in (("positive", "negative"), ("negative", "positive")):
        records = [r for r in records_of(language, "ner") if r["sentiment"] == sentiment]
        forms = words_of_opinion(language, [other]).keys()
        share = sum(any(t.lower() in forms for t in r["tokens"]) for r in records) / len(records)
        assert 0.5 <= share <= 0.7


@each_language
@both_labelled
def test_some_names_are_of_two_kinds(language, subset):
    kinds = defaultdict(set)
    for record in records_of(language, subset):
        for kind, words in names_of(record):
            for word in words:
                kinds[word].add(kind)
    assert sum({"PER", "LOC"} <= found for found in kinds.values()) >= 5
    assert sum({"ORG", "LOC"} <= found for found in kinds.values()) >= 5


@each_language
def test_sentences_are_many_and_serve_every_kind_of_name(language):
    templates = templates_of(language)
    literals = {word for template in templates for word in template.lower().split()}
    assert not literals & words_of_opinion(language, SENTIMENTS).keys()
    assert len(set(templates)) == len(templates) >= 60
    assert sum("{A" in t or "{C" in t or "{D" in t for t in templates) >= 40


@each_language
def test_summaries_are_short_and_name_someone(language):
    for record in records_of(language, "summarization"):
        assert len(record["summary"]) < len(record["text"])
        # A Russian case may change the ending of a name, not its beginning.
        assert any(words[-1][:2] in record["summary"] for _, words in names_of(record))


def test_article_before_a_vowel():
    for record in records_of("en", "summarization"):
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", record["text"])


def test_russian_is_written_in_cyrillic_and_inflected():
    records = records_of("ru", "ner")
    text = " ".join(record["text"] + record["summary"] for record in records)
    assert not re.search("[A-Za-z]", text)
    assert "в Казани" in text
    assert re.search("во (Владивостоке|Франции|Владимире|Вьетнаме)", text)
    assert not re.search("в (Владивостоке|Франции|Владимире|Вьетнаме)", text)


@pytest.mark.parametrize(
    ("word", "following", "agreed"),
    [
        ("в", "Казани", "в"),
        ("в", "Вологде", "в"),
        ("в", "Франции", "во"),
        ("с", "Светланой", "со"),
        ("с", "Самарой", "с"),
        ("в", "Вьетнаме", "во"),
        ("о", "Анне", "об"),
    ],
)
def test_russian_prepositions(word, following, agreed):
    assert LANGUAGES["ru"][2].agree(word, following) == agreed


def test_the_same_on_every_machine():
    """A new process with another hash seed generates the same corpus."""
    code = (
        "from tl.data.newsroom import newsroom\n"
        "print(newsroom('en', 'ner').fingerprint, newsroom('ru', 'classification').fingerprint)"
    )
    root = Path(module.__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "123", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    expected = [generated("en", "ner").fingerprint, generated("ru", "classification").fingerprint]
    assert shown.stdout.split() == expected


@pytest.mark.parametrize(
    ("language", "subset", "allowed"),
    [("de", "ner", "en, ru"), ("en", "pos", "classification, ner, summarization")],
)
def test_unknown_names_are_refused(language, subset, allowed):
    with pytest.raises(ValueError, match=allowed):
        newsroom(language, subset)
