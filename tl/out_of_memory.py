"""Recognise errors that mean that memory has run out: each library has its own."""

import errno

# Parts of messages, in lower case: of torch on CPUs and GPUs, cuBLAS, the loader of libraries.
TOO_LITTLE = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
    "bad_alloc",
    "failed to map segment",
)
# Of tensors that are too large for any memory.
TOO_LARGE = (
    "storage size calculation overflowed",
    "multiplication overflow",
    "overflow when unpacking",
)
MAY_BE = (MemoryError, OverflowError, RuntimeError, TypeError, ImportError)  # beside OSError


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is too little memory, or that none would suffice."""
    return isinstance(error, OverflowError) or memory_is_full(error) or _has(error, TOO_LARGE)


def memory_is_full(error: BaseException) -> bool:
    """Return whether an error says that there is too little memory now."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return _has(error, TOO_LITTLE)


def _has(error: BaseException, signs: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return isinstance(error, MAY_BE) and any(sign in text for sign in signs)
