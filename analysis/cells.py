"""Cells of a CSV that a spreadsheet reads as text, whatever stands in them."""

STARTS = ("=", "+", "-", "@", "\t", "\r")  # of a formula


def cell(value: object) -> str:
    """A value as a cell: what a spreadsheet would take for a formula stands behind an apostrophe.

    So OWASP advises against CSV injection; numbers stay as they are.
    """
    text = str(value)
    return f"'{text}" if text.startswith(STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
