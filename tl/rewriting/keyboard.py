"""Which keys touch each other on a QWERTY and on a ЙЦУКЕН keyboard."""

ROWS = {
    "en": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "ru": ("йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
}


def neighbours(rows: tuple[str, ...]) -> dict[str, str]:
    """The letters around each letter.

    A row stands half a key to the right of the one above: below the keys i and i + 1 is key i.
    """
    found = {}
    for r, row in enumerate(rows):
        above = rows[r - 1] if r > 0 else ""
        below = rows[r + 1] if r + 1 < len(rows) else ""
        for i, key in enumerate(row):
            before = max(0, i - 1)
            found[key] = (
                row[before:i] + row[i + 1 : i + 2] + above[i : i + 2] + below[before : i + 1]
            )
    return found


NEIGHBOURS = {language: neighbours(rows) for language, rows in ROWS.items()}
