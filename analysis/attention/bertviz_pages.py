"""The views of bertviz (1906.05714) as pages that need no network: their scripts are put inside.

bertviz asks a server for three scripts whenever its page is opened, and shows nothing without.
"""

import re
from pathlib import Path

import numpy as np

# Name in the page -> where `npm pack` of the package puts the file.
SCRIPTS = {
    "require": ("requirejs@2.3.6", "require.js"),
    "d3": ("d3@5.7.0", "dist/d3.min.js"),
    "jquery": ("jquery@2.2.4", "dist/jquery.min.js"),
}
ADDRESS = re.compile(r"https?://cdnjs[^'\"]*")
REMOTE = re.compile(r"<script[^>]*src=[\"'][^\"']*require[^\"']*[\"'][^>]*>\s*</script>")


def pages(tokens: list[str], maps: dict[str, np.ndarray], scripts: Path) -> dict[str, str]:
    """For each of some maps [L, h, n, n], the view of heads and the view of the whole model.

    Args:
        tokens: of the text.
        maps: by name.
        scripts: a directory with the files of SCRIPTS, anywhere in it.

    Raises:
        ValueError: if bertviz is not installed, or a script is missing.
    """
    try:
        import torch
        from bertviz import head_view, model_view
    except ImportError as error:
        raise ValueError(
            f"--bertviz needs a package that is not installed ({error.name}); run: pip install "
            "-r requirements-extra.txt"
        ) from None
    head = inline(read_scripts(scripts))
    # "</script>" in a token would end the script that holds it; the space between has no width.
    shown = [token.replace("<", "<\u200b") for token in tokens]
    made = {}
    for name, some in maps.items():
        layers = [torch.tensor(layer, dtype=torch.float32)[None] for layer in some]
        for kind, view in (("heads", head_view), ("model", model_view)):
            page = view(layers, shown, html_action="return").data
            # The scripts stand in the page under the names that these addresses belong to.
            body = ADDRESS.sub("", REMOTE.sub("", page))
            made[f"{kind}-{name}"] = f'<!DOCTYPE html><meta charset="utf-8">{head}{body}'
    return made


def read_scripts(folder: Path) -> dict[str, str]:
    """The three scripts by name.

    Raises:
        ValueError: if one is missing; the message says how to get it.
    """
    found = {}
    for name, (package, path) in SCRIPTS.items():
        matches = sorted(folder.rglob(Path(path).name)) if folder.is_dir() else []
        if not matches:
            packs = " && ".join(f"npm pack {package}" for package, _ in SCRIPTS.values())
            raise ValueError(
                f"{folder} has no {Path(path).name}, which a page without network needs; make it: "
                f"{packs}, then unpack the three archives there (it is {path} of {package})"
            )
        found[name] = matches[0].read_text(encoding="utf-8")
    return found


def inline(scripts: dict[str, str]) -> str:
    """require.js, and the other two under the names that bertviz asks it for."""
    closed = {name: text.replace("</script", r"<\/script") for name, text in scripts.items()}
    parts = [closed["require"]]
    for name in ("d3", "jquery"):
        # Both see no `define`, so that they put themselves on the window instead.
        on_window = {"d3": "window.d3", "jquery": "window.jQuery"}[name]
        parts.append(
            f"(function(define, exports, module){{{closed[name]}}}).call(window);"
            f'define("{name}", [], function(){{return {on_window};}});'
        )
    return "".join(f"<script>{part}</script>" for part in parts)
