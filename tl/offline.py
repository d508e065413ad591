"""Local paths, and the Hub where there is no network: asked once, without retries."""

import functools
import socket
import urllib.parse
import urllib.request
from pathlib import Path

from huggingface_hub import constants


@functools.cache
def prefer_cache_if_unreachable() -> None:
    """Where the Hub does not answer, have its libraries look into their cache only.

    Call it before `datasets` is imported: that copies the switch. Behind a proxy nothing is asked,
    since only the proxy could answer.
    """
    if constants.HF_HUB_OFFLINE or urllib.request.getproxies():
        return
    address = urllib.parse.urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), timeout=5).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True  # what the environment variable of that name would do


def local_path(name: str) -> Path:
    """The path that a name would be, with the home directory of a user for `~` and `~user`."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # there is no such user, so nothing is there
        return Path(name)
