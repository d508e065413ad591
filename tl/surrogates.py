"""Half a surrogate pair: a character that JSON can spell, and no tokenizer or file can hold."""

import re

SURROGATE = re.compile("[\ud800-\udfff]")
HALF = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON spells one; two of them may be one character


def find_surrogate(value: object) -> str | None:
    """The first string inside a JSON value, keys included, that holds half a surrogate pair."""
    waiting = [value]
    while waiting:  # a stack, for JSON may be nested more deeply than calls may
        one = waiting.pop()
        if isinstance(one, str):
            if not one.isascii() and SURROGATE.search(one):
                return one
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
    return None


def refuse_surrogates(value: object, place: str) -> None:
    """Raise ValueError, with the place, if a JSON value holds half a surrogate pair."""
    text = find_surrogate(value)
    if text is not None:
        at = SURROGATE.search(text).start()
        shown = ascii(text[max(0, at - 20) : at + 20])
        raise ValueError(
            f"{place}: {shown} holds half a surrogate pair, as one half of an emoji that was cut "
            "is; no file and no tokenizer can take it. Remove it, or put the whole character there"
        )
