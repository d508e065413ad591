"""Places for labels around points: labels and the lines to their points cross as little as can be.

All is in pixels. A box is (left, bottom, right, top), a line (x, y, x, y) from its label to its
point.
"""

import itertools
from dataclasses import dataclass

import numpy as np

NEAR = 12  # at which a label needs no line to its point
FAR = (NEAR, 20, 30, 42, 56, 72, 90, 110)  # to the near side of a label
TURNS = 24  # directions
GRID = 24  # places further off, in each direction
MARKER = 7  # half the side of what a marker takes
AIR = 4  # around a label
CROSSING = 1e5  # what a collision weighs, beside pixels of distance
AS_NEAR = 1.7  # times as far from a label as its own point: it might be read as its label
DOUBT = 40.0  # what it weighs where a label might be read as that of another point
NEAREST, OTHERS = 70, 90  # places of a label that are tried
SWEEPS, TRIES = 20, 150


@dataclass(frozen=True)
class Places:
    """The k places that one label may take: boxes, lines and weights."""

    boxes: np.ndarray  # [k, 4]
    lines: np.ndarray  # [k, 4]
    weights: np.ndarray  # [k] distance; collisions with what does not move are in it


def placed(
    points: np.ndarray, sizes: np.ndarray, taken: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Choose a box for each label, by local search that is repeated from where it was best.

    Args:
        points: [n, 2].
        sizes: of the labels, width and height, [n, 2].
        taken: boxes that no label shall cover, such as error bars, [m, 4].
        inside: the box that no label shall leave, [4].

    Returns:
        the boxes [n, 4], the lines [n, 4], and how many collisions could not be avoided.
    """
    markers = np.concatenate([points - MARKER, points + MARKER], axis=1)
    obstacles = np.concatenate([markers, taken])
    options = [
        options_of(i, points, size, obstacles, markers, inside) for i, size in enumerate(sizes)
    ]
    clashes = {
        (i, j): CROSSING * clash(options[i], options[j])
        for i, j in itertools.combinations(range(len(options)), 2)
    }
    clashes |= {(j, i): matrix.T for (i, j), matrix in clashes.items()}
    chance = np.random.default_rng(0)  # equal figures for equal points
    best = settle(options, clashes, [int(one.weights.argmin()) for one in options])
    for _ in range(TRIES):
        tried = list(best[0])
        for i in chance.choice(len(points), chance.integers(1, 4)):
            tried[i] = int(chance.integers(len(options[i].weights)))
        best = min(best, settle(options, clashes, tried), key=lambda found: found[1])
    boxes = np.array([one.boxes[at] for one, at in zip(options, best[0], strict=True)])
    lines = np.array([one.lines[at] for one, at in zip(options, best[0], strict=True)])
    return boxes, lines, int(best[1] // CROSSING)


def options_of(
    i: int,
    points: np.ndarray,
    size: np.ndarray,
    taken: np.ndarray,
    markers: np.ndarray,
    inside: np.ndarray,
) -> Places:
    """All places of one label, weighed by what does not move: the points, bars and edges."""
    point = points[i]
    angles = np.arange(TURNS) * 2 * np.pi / TURNS
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    far = np.repeat(FAR, TURNS)[:, None]
    # The side of a box that faces the point lies on a ring: its centre is half a box further on.
    around = point + np.tile(ring, (len(FAR), 1)) * (far + size / 2)
    sides = [np.linspace(inside[i], inside[i + 2], GRID) for i in (0, 1)]
    centres = np.concatenate([around, np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)])
    boxes, starts = with_starts(centres, size, point)
    lines = np.concatenate([starts, np.broadcast_to(point, starts.shape)], axis=1)
    gap = np.hypot(*(starts - point).T)
    # Where markers lie on each other, a line may have to cross others than its own.
    apart = np.abs(points - point).max(axis=1) > 2 * MARKER
    crossed = crosses(lines, markers)
    collisions = overlaps(boxes, taken).sum(axis=1) + crossed[:, apart].sum(axis=1)
    leaves = (boxes[:, :2] < inside[:2]).any(axis=1) | (boxes[:, 2:] > inside[2:]).any(axis=1)
    near = distances(boxes, points) < AS_NEAR * distances(boxes, points[i : i + 1])
    doubts = crossed[:, ~apart].sum(axis=1) + near.sum(axis=1) - 1  # its own point is near
    weights = gap + DOUBT * doubts + CROSSING * (collisions + 3.0 * leaves)
    order = np.argsort(weights, kind="stable")
    free = order[NEAREST:][weights[order[NEAREST:]] < CROSSING]
    kept = np.concatenate([order[:NEAREST], free[:: max(1, len(free) // OTHERS)]])
    return Places(boxes[kept], lines[kept], weights[kept])


def with_starts(
    centres: np.ndarray, size: np.ndarray, point: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around centres, [k, 2], and where the line of each begins.

    It begins at the nearest corner or edge, or at the middle of a side that faces the point: each
    box is there twice or three times.
    """
    boxes = np.concatenate([centres - size / 2, centres + size / 2], axis=1)
    nearest = np.clip(point, boxes[:, :2], boxes[:, 2:])
    found = [(boxes, nearest)]
    for axis in (0, 1):
        middle = centres.copy()
        middle[:, axis] = nearest[:, axis]
        faces = nearest[:, axis] != point[axis]
        found.append((boxes[faces], middle[faces]))
    return np.concatenate([b for b, _ in found]), np.concatenate([s for _, s in found])


def clash(one: Places, other: Places) -> np.ndarray:
    """Count the collisions of each place of one label with each of another, [k, other k]."""
    air = np.array([-AIR, -AIR, AIR, AIR])
    return (
        overlaps(one.boxes, other.boxes + air).astype(int)
        + crosses(one.lines, other.boxes)
        + crosses(other.lines, one.boxes).T
        + meet(one.lines, other.lines)
    )


def settle(
    options: list[Places], clashes: dict[tuple[int, int], np.ndarray], chosen: list[int]
) -> tuple[list[int], float]:
    """Let each label take its best place while the others stay, until none moves any more.

    Returns:
        which place each has, and what all weigh together.
    """
    chosen, labels = list(chosen), range(len(options))
    for _ in range(SWEEPS):
        before = list(chosen)
        for i in labels:
            against = [clashes[i, j][:, chosen[j]] for j in labels if j != i]
            chosen[i] = int(np.argmin(options[i].weights + sum(against)))
        if chosen == before:
            break
    total = sum(
        options[i].weights[chosen[i]]
        + sum(clashes[i, j][chosen[i], chosen[j]] for j in range(i + 1, len(options)))
        for i in labels
    )
    return chosen, float(total)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether boxes [k, 4] cover some of others [m, 4], [k, m]."""
    b, o = boxes[:, None], others[None]
    return (b[..., :2] < o[..., 2:]).all(axis=-1) & (b[..., 2:] > o[..., :2]).all(axis=-1)


def distances(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """From the nearest place of boxes [k, 4] to points [m, 2], [k, m]."""
    nearest = np.clip(points[None], boxes[:, None, :2], boxes[:, None, 2:])
    return np.hypot(*np.moveaxis(nearest - points, -1, 0))


def crosses(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether lines [k, 4] go through boxes [m, 4], [k, m]: the part of a line in each slab."""
    start, way = lines[:, None, :2], (lines[:, 2:] - lines[:, :2])[:, None]
    way = np.where(way == 0, 1e-9, way)
    one, other = (boxes[None, :, :2] - start) / way, (boxes[None, :, 2:] - start) / way
    enters = np.minimum(one, other).max(axis=-1)
    leaves = np.maximum(one, other).min(axis=-1)
    return np.maximum(enters, 0) < np.minimum(leaves, 1)


def meet(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether lines [k, 4] cross others [m, 4], [k, m]; those that only touch do not."""
    a, b = lines[:, None, :2], lines[:, None, 2:]
    c, d = others[None, :, :2], others[None, :, 2:]
    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)


def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """On which side of the line from a to b a point c lies, by its sign."""
    u, v = b - a, c - a
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
