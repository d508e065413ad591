"""How the word material of `newsroom` is written down: a word is the tuple of its forms."""

Word = tuple[str, ...]  # the forms a template may ask for; the first one is the name of the word


def listed(text: str) -> tuple[Word, ...]:
    """Words from a comma-separated list; a slash separates the forms of one word."""
    return tuple(tuple(word.strip().split("/")) for word in text.split(","))


def inflected(endings: str, stems: str) -> tuple[Word, ...]:
    """Words of one declension: each stem with each of the endings ("-" is no ending)."""
    suffixes = ["" if ending == "-" else ending for ending in endings.split()]
    return tuple(tuple(stem + suffix for suffix in suffixes) for stem in stems.split())
