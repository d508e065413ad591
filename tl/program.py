"""The frame of every command line: how it ends, and what its streams can show."""

import argparse
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tl import lock
from tl.out_of_memory import MAY_BE, out_of_memory
from tl.surrogates import SURROGATE

MORE_MEMORY = "Free memory, give it smaller data, or take a machine that has more"


def run(
    name: str,
    work: Callable[[list[str]], int],
    argv: list[str],
    *,
    memory: str = MORE_MEMORY,
    interrupted: str = "",
) -> tuple[int, str]:
    """Run a command line.

    Args:
        name: of the program, as its messages begin.
        work: does what the words say, and returns the exit code.
        argv: the words.
        memory: what to do where memory has run out.
        interrupted: what to say after Ctrl-C.

    Returns:
        the exit code: 0, 2 for bad input and for too little memory or disk, 130 for Ctrl-C; and
        what to say on stderr, an empty text or whole lines.
    """
    open_streams()
    threading.excepthook = ignore_full_disk
    try:
        require_posix()
        check_words(argv)
        return work(argv), ""
    except KeyboardInterrupt:
        return 130, interrupted
    except (ValueError, OSError, argparse.ArgumentError, *MAY_BE) as error:
        if out_of_memory(error):
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            return 2, f"{name}: error: out of memory ({reason}). {memory}.\n"
        if not isinstance(error, ValueError | OSError | argparse.ArgumentError):
            raise
        full = getattr(error, "errno", None) == errno.ENOSPC
        hint = "The disk is full; what was saved before is whole.\n" if full else ""
        return 2, f"{name}: error: {error}\n{hint}"


def require_posix() -> None:
    """Raise ValueError on Windows."""
    if lock.fcntl is None:
        raise ValueError(
            f"this needs Linux or macOS: {sys.platform} has no file locks of their kind. On "
            "Windows, run it inside WSL (`wsl --install`, then the same commands there)"
        )


def check_words(argv: list[str]) -> None:
    """Raise ValueError for a word that cannot be text."""
    for i, word in enumerate(argv):
        option = f"{argv[i - 1]} " if i and argv[i - 1].startswith("--") else ""
        if SURROGATE.search(word):
            raise ValueError(
                f"{option}{word!a} holds bytes that are no text in this terminal's encoding "
                f"({sys.getfilesystemencoding()}), or half a surrogate pair; take a terminal in "
                "UTF-8 (LC_ALL=C.UTF-8), or leave them out"
            )
        if "\0" in word:
            raise ValueError(f"{option}{word!a} holds a null byte; leave it out")


def ignore_full_disk(args: threading.ExceptHookArgs) -> None:
    """Say nothing of a full disk in a thread, such as TensorBoard's: the program itself says it."""
    if getattr(args.exc_value, "errno", None) != errno.ENOSPC:
        threading.__excepthook__(args)


class Outlet:
    """A stream whose reader may go away, as in `train.py | head`: the rest then goes nowhere.

    A run is in its directory, and need not end because nobody reads what it prints.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._patient():
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._patient():
            self.stream.flush()

    @contextmanager
    def _patient(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


def open_streams() -> None:
    """Let both streams show every character, if need be by number, and outlive their readers."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, Outlet(stream))
