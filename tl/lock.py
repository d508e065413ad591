"""One writer for a run directory: a lock that names its holder, and dies with it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

try:  # POSIX only, like `tl.device`: Windows has no flock (its Linux subsystem has).
    import fcntl
except ImportError:
    fcntl = None  # `tl.program` says so


def hold(file: BinaryIO) -> bool:
    """Lock an open file for as long as it stays open; False if another process holds it.

    Where the file system has no locks, nobody is kept out.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def only_writer(directory: Path, lock: Path) -> Iterator[None]:
    """Inside, no other process writes to a run directory; one that wants to is refused.

    The kernel holds the lock for the process and lets go when it ends, however it ends: what a
    killed process left behind is a file that nobody holds, and is taken over. The text of the file
    is for whoever is kept out.

    Args:
        directory: made if it is not there, and removed again if nothing was written to it.
        lock: a file in it.

    Raises:
        ValueError: if another process holds the lock, or the directory cannot be made.
    """
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ValueError(
            f"cannot make the run directory {directory} ({error.strerror}); choose another place "
            "with --runs-dir"
        ) from None
    held = _acquire(directory, lock)
    try:
        held.write(f"process {os.getpid()} on {socket.gethostname()} since {_now()}\n")
        held.flush()
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held: see `_acquire`
        held.close()
        for path in made:
            with suppress(OSError):  # something was written there, or it is gone already
                path.rmdir()


def _acquire(directory: Path, lock: Path) -> TextIO:
    if lock.is_symlink():
        raise ValueError(f"{lock} is a symbolic link, which would be written through; remove it")
    while True:
        try:
            file = lock.open("a+", encoding="utf-8")
        except FileNotFoundError:  # whoever made the directory has removed it again
            directory.mkdir(parents=True, exist_ok=True)
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(_refusal(directory, file)) from None
        except OSError as error:
            file.close()
            raise ValueError(
                f"{directory} lies on a file system without locks ({error.strerror}), where two "
                "processes could spoil one run; choose another place with --runs-dir"
            ) from None
        # Its last holder may have removed the file between our two calls: then we hold a lock on
        # nothing, while the next process makes and locks a new file.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                file.truncate(0)
                return file
        file.close()


def _refusal(directory: Path, file: TextIO) -> str:
    with file:
        file.seek(0)
        holder = file.read().strip() or "another process"
    return (
        f"the run in {directory} is being written by {holder}. Wait for it, or stop it, or choose "
        "another --seed or --runs-dir"
    )


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
