"""The command line of the analyses: `python -m analysis NAME ...`."""

import sys

from analysis.registry import ANALYSES, run, summary


def help_text() -> str:
    """All analyses, a line each."""
    lines = ["usage: python -m analysis NAME ...", "", "analyses (add NAME --help for one):"]
    width = max(map(len, ANALYSES)) + 2
    lines += [f"  {name:<{width}}{summary(name)}" for name in ANALYSES]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: 0, or 2 for bad input."""
    if not argv or argv[0] in ("-h", "--help"):
        print(help_text())
        return 0
    try:
        run(argv[0], argv[1:])
    except (ValueError, OSError) as error:
        print(f"python -m analysis: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
