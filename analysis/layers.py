"""The names of layers, as options, parameter groups and modules have them: from 0 to L − 1.

A dump of hidden states holds L + 1 of them: what goes into layer 0, the embeddings, comes first.
The layers of an encoder-decoder are numbered through, the encoder's before the decoder's.
"""

EMBEDDINGS = "embeddings"


def name_of(state: int) -> str:
    """The name of a hidden state by its index in a dump: `embeddings`, `0`, `1`, …"""
    return EMBEDDINGS if state == 0 else str(state - 1)


def names_of(n_states: int) -> list[str]:
    """The names of all states of a model, from bottom to top."""
    return [name_of(state) for state in range(n_states)]


def in_words(state: int) -> str:
    """A state within a sentence: `the embeddings`, `layer 0`."""
    return f"the {EMBEDDINGS}" if state == 0 else f"layer {state - 1}"


def listed(states: list[int]) -> str:
    """Rising states within a sentence: `the embeddings and layers 0–2, 5`."""
    spans: list[list[int]] = []
    for layer in (state - 1 for state in states if state > 0):
        if spans and layer == spans[-1][-1] + 1:
            spans[-1].append(layer)
        else:
            spans.append([layer])
    shown = [str(s[0]) if len(s) == 1 else f"{s[0]}–{s[-1]}" for s in spans]
    n_layers = sum(map(len, spans))
    parts = [f"the {EMBEDDINGS}"] if 0 in states else []
    parts += [f"layer{'s' * (n_layers > 1)} {', '.join(shown)}"] if shown else []
    return " and ".join(parts)


def state_of(name: str, n_states: int) -> int:
    """The index of a state by its name; −1 is the last layer, as in a list.

    Raises:
        ValueError: if the model has no such layer.
    """
    if name == EMBEDDINGS:
        return 0
    n_layers = n_states - 1
    try:
        layer = int(name)
    except ValueError:
        layer = n_layers  # refused below
    if not -n_layers <= layer < n_layers:
        raise ValueError(
            f"--layer {name}: this model has layers 0..{n_layers - 1} (or -1 for the last, -2 for "
            f"the one below it, and so on), and {EMBEDDINGS} below them"
        )
    return 1 + layer % n_layers


def part_in_words(part: str) -> str:
    """The name of a part of the network, as groups of parameters are called: `layer 0`, `head`."""
    if part.startswith("block"):
        return f"layer {int(part.removeprefix('block'))}"
    return EMBEDDINGS if part == "stem" else part
