"""Proofs from a large log beside proofs from one of a thousand entries.

Lives here: both logs, the large one kept for the next time. Must not know: how proofs are made.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.rates.appends import ORIGIN
from benchmarks.rates.entries import batch
from benchmarks.rates.pairs import Rate, compare
from federation.log.store import LogStore, create_log

SMALL = 1_000
BATCH = 10_000
ENTRY_BYTES = 16  # what an entry holds has no part in a proof
PROOFS = 20


def measure(folder: Path, large: int, pairs: int) -> list[Rate]:
    """Compare inclusion and consistency proofs of ``large`` entries with those of SMALL.

    Logs are kept in ``folder``. A ratio of 1/20 means twenty times the time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with closing(_log(folder, large)) as big, closing(_log(folder, SMALL)) as small:
        draw = random.Random(1)
        kinds: Sequence[tuple[str, Callable[[LogStore, int, random.Random], None]]] = (
            ("inclusion", _include),
            ("consistency", _extend),
        )
        return [
            compare(
                f"{kind} proofs at {large:,} entries, beside the same at {SMALL:,}",
                _pairs(prove, (big, large), (small, SMALL), pairs, draw),
                PROOFS,
            )
            for kind, prove in kinds
        ]


def _pairs(
    prove: Callable[[LogStore, int, random.Random], None],
    big: tuple[LogStore, int],
    small: tuple[LogStore, int],
    pairs: int,
    draw: random.Random,
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    for _ in range(pairs):
        yield partial(_repeat, prove, *big, draw), partial(_repeat, prove, *small, draw)


def _repeat(
    prove: Callable[[LogStore, int, random.Random], None],
    log: LogStore,
    size: int,
    draw: random.Random,
) -> None:
    for _ in range(PROOFS):
        prove(log, size, draw)


def _include(log: LogStore, size: int, draw: random.Random) -> None:
    log.inclusion(draw.randrange(size), size)


def _extend(log: LogStore, size: int, draw: random.Random) -> None:
    log.consistency(draw.randrange(1, size), size)


def _log(folder: Path, size: int) -> LogStore:
    """Return a log of ``size`` entries, made now unless it is there whole."""
    path = folder / f"log-{size}.sqlite"
    if not path.exists():
        print(f"making a log of {size:,} entries …", file=sys.stderr, flush=True)
        draft = folder / f"draft-{os.getpid()}-{size}.sqlite"
        create_log(draft, ORIGIN)
        with closing(LogStore(draft)) as store:
            for first in range(0, size, BATCH):
                store.append(batch(first, min(BATCH, size - first), ENTRY_BYTES), 0)
        draft.rename(path)  # the last connection to close has emptied the write-ahead log
    return LogStore(path)
