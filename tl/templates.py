"""Templates: texts with names in braces, where other texts go."""

import string


def names_in(template: str, flag: str) -> list[str]:
    """Read the names in the braces of a template, in their order.

    Args:
        template: the text.
        flag: the option by which it was given, for the message.

    Raises:
        ValueError: if a brace is not closed, or holds more than a name, as in {text!r}.
    """
    try:
        parts = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ValueError(
            f"{flag} {template!r}: {error}; a brace that is meant as one is written twice"
        ) from None
    for _, name, form, conversion in parts:
        if form or conversion or not name.isidentifier():
            raise ValueError(
                f"{flag} {template!r}: braces hold a name and nothing else, as in {{text}}; a "
                "brace that is meant as one is written twice"
            )
    return [name for _, name, _, _ in parts]
