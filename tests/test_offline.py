"""Without network the Hub's libraries are told so once, and answer from their cache."""

import socket

import pytest
from huggingface_hub import constants

from tl import offline


@pytest.fixture
def fresh(monkeypatch):
    """The switch off, no proxy, and nothing asked yet."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    offline.prefer_cache_if_unreachable.cache_clear()
    yield monkeypatch
    offline.prefer_cache_if_unreachable.cache_clear()


def refuse(*_, **__):
    raise OSError("no route")


def test_an_unreachable_hub_switches_to_the_cache(fresh):
    fresh.setattr(socket, "create_connection", refuse)
    offline.prefer_cache_if_unreachable()
    assert constants.HF_HUB_OFFLINE is True


def test_a_hub_that_answers_is_used(fresh):
    fresh.setattr(socket, "create_connection", lambda *_, **__: socket.socket())
    offline.prefer_cache_if_unreachable()
    assert constants.HF_HUB_OFFLINE is False


def test_behind_a_proxy_nothing_is_asked(fresh):
    fresh.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy"})
    fresh.setattr(socket, "create_connection", refuse)
    offline.prefer_cache_if_unreachable()
    assert constants.HF_HUB_OFFLINE is False
