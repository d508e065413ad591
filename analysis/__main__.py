"""The command line of the analyses: `python -m analysis NAME ...`."""

import sys

from analysis.registry import ANALYSES, run, summary
from tl import program


def help_text() -> str:
    """All analyses, a line each."""
    lines = ["usage: python -m analysis NAME ...", "", "analyses (add NAME --help for one):"]
    width = max(map(len, ANALYSES)) + 2
    lines += [f"  {name:<{width}}{summary(name)}" for name in ANALYSES]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run one command line; the answer is the exit code: see `tl.program.run`."""
    code, said = program.run("python -m analysis", work, argv)
    print(said, end="", file=sys.stderr)
    return code


def work(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(help_text())
    else:
        run(argv[0], argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
