"""Near-duplicates among any number of texts, in bounded memory: MinHash, and an index on disk."""

import hashlib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasketch import MinHash

SHINGLE = 3  # words
# 25 bands of 5 rows: of two texts with Jaccard similarity s, a band agrees with probability s⁵, and
# any of them with 1 − (1 − s⁵)²⁵; that is .99995 at .8, and .23 at .4.
BANDS, ROWS = 25, 5


def shingles(text: str) -> set[str]:
    """Runs of three words, in lower case; the whole text where it is shorter."""
    words = re.findall(r"\w+", text.lower())
    runs = {" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1)}
    return runs or {" ".join(words)}


def jaccard(one: set[str], other: set[str]) -> float:
    """What both have over what any of them has, in [0, 1]."""
    return len(one & other) / len(one | other)


class Index:
    """Texts by bands of their MinHash (Leskovec et al., Mining of Massive Datasets, §3.4).

    Candidates that share a band are compared exactly, so what is found is a near-duplicate; one in
    20,000 pairs at the threshold .8 is missed. The bands lie in a file, not in memory.

    Args:
        path: of the file; it is made anew.
        text_of: gives the text of a document that was added, by its number.
        threshold: least Jaccard similarity of near-duplicates.
        seed: of the permutations.
    """

    def __init__(
        self, path: Path, text_of: Callable[[int], str], threshold: float, seed: int = 1
    ) -> None:
        path.unlink(missing_ok=True)
        self.text_of, self.threshold = text_of, threshold
        self.database = sqlite3.connect(path, isolation_level=None)
        for line in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            self.database.execute(f"PRAGMA {line}")  # a lost index is made again; 200 MB of cache
        self.database.execute("BEGIN")
        self.database.execute("CREATE TABLE ids (id INTEGER PRIMARY KEY)")
        self.database.execute("CREATE TABLE texts (digest INTEGER PRIMARY KEY, document INTEGER)")
        self.database.execute(
            "CREATE TABLE bands (band INTEGER, document INTEGER, PRIMARY KEY (band, document)) "
            "WITHOUT ROWID"
        )
        self.empty = MinHash(num_perm=BANDS * ROWS, seed=seed)

    def find(self, text: str) -> tuple[str, int] | None:
        """("exact" or "near", number) of a document that is (almost) the same; None if none is."""
        row = self.database.execute(
            "SELECT document FROM texts WHERE digest = ?", (digest(text),)
        ).fetchone()
        if row is not None:
            return "exact", row[0]
        own = shingles(text)
        marks = ",".join("?" * BANDS)
        rows = self.database.execute(
            f"SELECT DISTINCT document FROM bands WHERE band IN ({marks})", self._bands(own)
        )
        for (document,) in rows.fetchall():
            if jaccard(own, shingles(self.text_of(document))) >= self.threshold:
                return "near", document
        return None

    def add(self, document: int, text: str) -> None:
        """Remember a document by its number."""
        self.database.execute("INSERT INTO texts VALUES (?, ?)", (digest(text), document))
        self.database.executemany(
            "INSERT OR IGNORE INTO bands VALUES (?, ?)",
            [(band, document) for band in self._bands(shingles(text))],
        )

    def is_new(self, id: str) -> bool:
        """Whether an id was not asked for before."""
        sql = "INSERT OR IGNORE INTO ids VALUES (?)"
        return self.database.execute(sql, (number(id.encode()),)).rowcount == 1

    def close(self) -> None:
        self.database.close()

    def _bands(self, runs: set[str]) -> list[int]:
        """A 63-bit number for each band of the signature."""
        made = self.empty.copy()
        made.update_batch([run.encode() for run in runs])
        rows = made.hashvalues.reshape(BANDS, ROWS)
        return [
            number(f"{i}".encode() + np.ascontiguousarray(row).tobytes())
            for i, row in enumerate(rows)
        ]


def digest(text: str) -> int:
    """63 bits of a text, in lower case and without its spaces."""
    return number("".join(text.lower().split()).encode())


def number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1
