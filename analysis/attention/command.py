"""Where a model looks, before and after: entropy, distance and change of every head."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import entr

from analysis import dumped
from analysis.attention import bertviz_pages, figures, page
from analysis.attention.heads import Attention, Heads
from analysis.dumped import Arrays
from analysis.finished import Asked, add_runs, asked
from analysis.plotting import save
from analysis.seeds import named, together
from tl.runs import Run, Weights, write_atomically, write_json

ARRAYS = ("ids", "tokens", "maps")  # of each dump
NEEDS = {"attention": ("trained", "pretrained")}  # dumps of eval.py
ROUNDING = 2e-3  # what a row of float16 may lack to 1
READABLE = range(8, 25)  # tokens of the example that is drawn, where there is such a one
CAVEAT = (
    "A weight says how much of a token's value enters a mixture, not why the model answered as it "
    "did: other weights can give the same answer (arXiv 1902.10186), and what a layer adds around "
    "attention is not in it."
)


def compute(label: str, before: Arrays, after: Arrays) -> Attention:
    """Average over real tokens, then over texts; padding is left out.

    Args:
        label: of the run.
        before: what `--dump attention` wrote of the pretrained weights.
        after: of the trained ones, on the same texts.

    Raises:
        ValueError: if the texts differ, or a weight is no number.
    """
    if not np.array_equal(before["tokens"], after["tokens"]):
        raise ValueError("the maps before and after are of other texts; dump both in one command")
    sums, n_texts, causal = None, len(after["tokens"]), True
    for i in range(n_texts):
        maps = [real(arrays, i)[1] for arrays in (before, after)]
        causal = causal and not any(np.triu(some, 1).any() for some in maps)
        one, other = map(distributions, maps)
        found = np.stack([*described(one), *described(other), divergence(one, other)])
        sums = found if sums is None else sums + found
    lengths = (after["tokens"] != "").sum(axis=1)
    means = sums / n_texts
    return Attention(
        label=label,
        n_seeds=1,
        n_texts=n_texts,
        n_tokens=int(lengths.sum()),
        uniform=uniform_entropy(lengths, causal),
        before=Heads(*means[:2]),
        after=Heads(*means[2:4]),
        divergence=means[4],
    )


def uniform_entropy(lengths: np.ndarray, causal: bool) -> float:
    """The entropy of a head whose tokens look alike at all tokens that they may see, in nats.

    log n of n of them, the mean over the tokens of a text, then over texts. What goes to a prefix
    or to virtual tokens is not among them.

    Args:
        lengths: of the texts, in tokens.
        causal: whether a token sees none behind it.
    """
    in_sight = [np.arange(1, n + 1) if causal else np.full(n, n) for n in lengths]
    return float(np.mean([np.log(numbers).mean() for numbers in in_sight]))


def mean(found: list[Attention]) -> Attention:
    """The seeds of a configuration as one, head by head."""
    return replace(
        found[0],
        n_seeds=len(found),
        after=Heads(
            np.mean([one.after.entropy for one in found], axis=0),
            np.mean([one.after.distance for one in found], axis=0),
        ),
        divergence=np.mean([one.divergence for one in found], axis=0),
    )


def real(arrays: Arrays, i: int) -> tuple[list[str], np.ndarray]:
    """The tokens of a text, and its maps without padding, [L, h, n, n]."""
    tokens = [token for token in arrays["tokens"][i].tolist() if token]
    maps = arrays["maps"][i][..., : len(tokens), : len(tokens)].astype(float)
    if not (np.isfinite(maps) & (maps >= 0)).all():
        raise ValueError(
            f"text {arrays['ids'][i]}: a weight is below 0 or not finite; train again with fp32"
        )
    return tokens, maps


def distributions(maps: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, [L, h, n, n + 1]: the last outcome is a prefix, or virtual tokens."""
    lacking = 1 - maps.sum(axis=-1, keepdims=True)
    lacking[lacking < ROUNDING] = 0
    whole = np.concatenate([maps, lacking], axis=-1)
    return whole / whole.sum(axis=-1, keepdims=True)


def described(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entropy and mean distance of each head, [L, h]; distance is among the tokens of the text."""
    tokens = p[..., :-1]
    steps = np.abs(np.subtract.outer(np.arange(p.shape[-2]), np.arange(p.shape[-2])))
    mass = np.maximum(tokens.sum(axis=-1), 1e-12)
    return entropies(p).mean(axis=-1), ((tokens * steps).sum(axis=-1) / mass).mean(axis=-1)


def entropies(p: np.ndarray) -> np.ndarray:
    """−Σ p log p of each row, in nats."""
    return entr(p).sum(axis=-1)


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon: H((p + q)/2) − (H(p) + H(q))/2, the mean over a head's rows, [L, h]."""
    rows = entropies((p + q) / 2) - (entropies(p) + entropies(q)) / 2
    return np.maximum(rows, 0).mean(axis=-1)


def rollout(maps: np.ndarray) -> np.ndarray:
    """How much of each token is in each state of the last layer (arXiv 2005.00928, Eq. 1), [n, n].

    Heads are averaged, and half of a state comes past attention: R = Π_l (A_l + I)/2. What goes to
    a prefix comes from no token: rows are brought to 1 again.

    Args:
        maps: [L, h, n, n].
    """
    result = np.eye(maps.shape[-1])
    for layer in maps.mean(axis=1):
        among_tokens = layer / np.maximum(layer.sum(axis=-1, keepdims=True), 1e-12)
        result = (among_tokens + np.eye(len(layer))) / 2 @ result
    return result


def words(found: Attention) -> str:
    """What changed, in a paragraph."""
    layer, head = np.unravel_index(found.divergence.argmax(), found.divergence.shape)
    by_layer = found.divergence.mean(axis=1)
    start = f"{named(found.label, found.n_seeds)}, {found.n_texts} texts: "
    if not found.divergence.any():
        return f"{start}no head looks anywhere else than before. {CAVEAT}"
    return (
        f"{start}heads changed most in layer {by_layer.argmax()} (mean Jensen-Shannon "
        f"divergence {by_layer.max():.3f} of at most 0.693 nats) and least in layer "
        f"{by_layer.argmin()} ({by_layer.min():.3f}); of all, head {head} of layer "
        f"{layer} did most ({found.divergence.max():.3f}). Rows had an entropy of "
        f"{found.before.entropy.mean():.2f} nats before and {found.after.entropy.mean():.2f} "
        f"after (looking alike at all that a token may see: {found.uniform:.2f}); a token looked "
        f"{found.before.distance.mean():.1f} tokens far before, {found.after.distance.mean():.1f} "
        f"after. {CAVEAT}"
    )


def numbers(found: Attention) -> dict:
    """As JSON."""
    return {
        "run": found.label,
        "seeds": found.n_seeds,
        "texts": found.n_texts,
        "tokens": found.n_tokens,
        "entropy_of_uniform": found.uniform,
        **{
            f"{name}_{when}": getattr(getattr(found, when), name).tolist()
            for when in ("before", "after")
            for name in ("entropy", "distance")
        },
        "jensen_shannon": found.divergence.tolist(),
        "words": words(found),
    }


def choose(arrays: Arrays, asked: int | None) -> int:
    """The text that is drawn: the one that was asked for, or the first that is easy to read."""
    lengths = (arrays["tokens"] != "").sum(axis=1)
    if asked is None:
        good = [i for i, n in enumerate(lengths) if n in READABLE]
        return good[0] if good else int(lengths.argmin())
    if not 0 <= asked < len(lengths):
        raise ValueError(f"--example {asked}: the dump has examples 0 to {len(lengths) - 1}")
    return asked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runs(parser)
    parser.add_argument("--example", type=int, metavar="N", help="which text to draw, from 0")
    parser.add_argument(
        "--bertviz", type=Path, metavar="DIR",
        help="write bertviz' views too, with the scripts in DIR inside (one run)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    single = len(arguments.runs) == 1
    if not single and (arguments.bertviz, arguments.example) != (None, None):
        raise ValueError("--example and --bertviz take one run; leave them out, or name one")
    given = asked(arguments)
    out = given.out
    found = [mean(seeds) for seeds in described_runs(given)]
    written = [out / "attention.png", out / "attention.json"]
    about = given.about
    drawn = figures.heads(found[0], about) if len(found) == 1 else figures.overview(found, about)
    save(drawn, written[0])
    write_json(written[1], [numbers(one) for one in found])
    if single:
        maps = read(given.runs[0], given.split)
        label = f"{about}: {found[0].label}"
        written += views(out, (label, *maps), arguments.example, arguments.bertviz)
    print("\n\n".join(map(words, found)))
    print(f"wrote {', '.join(map(str, written))}")


def read(run: Run, split: str) -> list[Arrays]:
    """The maps before and after.

    Raises:
        ValueError: if one was not made yet, or its arrays do not fit each other.
    """
    weights: tuple[Weights, ...] = ("pretrained", "trained")
    both = dumped.read(run, "attention", split, weights, *ARRAYS)
    for arrays, one in zip(both, weights, strict=True):
        path, (n, t) = run.arrays("attention", split, one), arrays["tokens"].shape
        dumped.same_length(path, arrays, *ARRAYS)
        if arrays["maps"].shape[3:] != (t, t) or not (arrays["tokens"] != "").any(axis=1).all():
            raise ValueError(
                f"{path}: maps {arrays['maps'].shape} are not of its {n} texts of {t} tokens, or a "
                f"text has none; {dumped.AGAIN}"
            )
    if both[0]["maps"].shape != both[1]["maps"].shape:
        raise ValueError(
            f"{run.path}: its maps of attention before and after have other shapes, "
            f"{both[0]['maps'].shape} and {both[1]['maps'].shape}; dump both in one command"
        )
    return both


def described_runs(given: Asked) -> Iterator[list[Attention]]:
    """The runs of each configuration.

    Raises:
        ValueError: if a dump is missing, or not all are of the same texts.
    """
    known = None
    for name, places in together(given.results).items():
        seeds = []
        for run in (given.runs[place] for place in places):
            before, after = read(run, given.split)
            known = after["tokens"] if known is None else known
            if not np.array_equal(after["tokens"], known):
                raise ValueError(
                    f"{run.path} and {given.runs[0].path} have maps of other texts; give runs on "
                    "one data set, dumped with one --limit"
                )
            seeds.append(compute(name, before, after))
        yield seeds


def views(
    out: Path, loaded: tuple[str, Arrays, Arrays], asked: int | None, scripts: Path | None
) -> list[Path]:
    """Draw one text, and make the pages of several; the paths that were written."""
    label, before, after = loaded
    chosen = choose(after, asked)
    (tokens, one), (_, other) = real(before, chosen), real(after, chosen)
    rolled = rollout(one), rollout(other)
    paths = [out / f"attention-{name}" for name in ("maps.png", "rollout.png", "view.html")]
    save(figures.maps(label, tokens, one, other), paths[0])
    save(figures.rollouts(label, tokens, *rolled), paths[1])
    order = [chosen, *(i for i in range(len(after["tokens"])) if i != chosen)]
    texts = (
        page.Text(
            str(after["ids"][i]), real(after, i)[0],
            *((maps, rollout(maps)) for maps in (real(before, i)[1], real(after, i)[1])),
        )
        for i in order
    )  # fmt: skip
    write_atomically(paths[2], page.page(label, texts, CAVEAT).encode())
    if scripts is not None:
        pages = bertviz_pages.pages(tokens, {"before": one, "after": other}, scripts)
        for name, html in pages.items():
            paths.append(out / f"attention-bertviz-{name}.html")
            write_atomically(paths[-1], html.encode())
    return paths
