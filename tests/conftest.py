"""What every test has: one thread, no network, and tiny models and data on the disk."""

import os

import pytest
import torch

torch.set_num_threads(1)  # two workers share the processor
os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when transformers is imported


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A tiny BERT as a model directory; read only."""
    from tiny import save_model

    return save_model(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def sentiment_folder(tmp_path_factory):
    """A data directory for classification; read only."""
    from tiny import save_sentiment

    return save_sentiment(tmp_path_factory.mktemp("data") / "sentiment")


@pytest.fixture(scope="session")
def tagged_folder(tmp_path_factory):
    """A data directory for ner; read only."""
    from tiny import save_tagged

    return save_tagged(tmp_path_factory.mktemp("data") / "tagged")
