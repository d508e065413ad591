"""What every test has: one thread, no network, and tiny models and data on the disk."""

import os
import shutil
import signal

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


@pytest.fixture(autouse=True)
def _one_thread():
    """A resumed run takes as many threads as it had; the next test has one again."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _ctrl_c():
    """A run takes over Ctrl-C; give it back."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture(autouse=True)
def _no_figures(request, monkeypatch):
    """Drawing takes longer than a tiny run; a test of the figures asks for `figures`."""
    if "figures" not in request.fixturenames:
        monkeypatch.setattr("train.draw", lambda run, result: [])


@pytest.fixture
def figures():
    """Runs of this test draw their figures."""


@pytest.fixture(scope="session")
def basic(model_folder, sentiment_folder):
    """A whole command line but for the strategy and the run directories: 2 epochs of 3 steps."""
    return [
        *("--task", "classification", "--data", str(sentiment_folder)),
        *("--model", str(model_folder), "--epochs", "2", "--batch-size", "8"),
        *("--device", "cpu", "--precision", "fp32", "--lr", "1e-2"),
    ]


@pytest.fixture
def here(tmp_path):
    return ["--runs-dir", str(tmp_path / "runs")]


@pytest.fixture(scope="session")
def finished(basic, tmp_path_factory):
    """A finished run, figures and all; read only."""
    from running import trained

    return trained([*basic, "--strategy", "full"], tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def dumping(finished, tmp_path_factory):
    """A copy of it, for dumps."""
    from tl.runs import Run

    return Run(shutil.copytree(finished.path, tmp_path_factory.mktemp("dumping") / "run"))
