"""Which errors mean that memory has run out: each library has its own."""

import errno

# Parts of messages, in lower case: of torch on CPUs and GPUs, cuBLAS, the loader of libraries.
SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
    "bad_alloc",
    "storage size calculation overflowed",
    "multiplication overflow",
    "overflow when unpacking",
    "failed to map segment",
)
MAY_BE = (MemoryError, OverflowError, RuntimeError, TypeError, ImportError)  # beside OSError


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory, or never was as much as asked for."""
    if isinstance(error, MemoryError | OverflowError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    text = str(error).lower()
    return isinstance(error, MAY_BE) and any(sign in text for sign in SIGNS)
