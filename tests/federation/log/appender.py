"""Append numbered statements to a log from a process of its own, one line of output per receipt."""

import sys
from itertools import count
from pathlib import Path

from federation.crypto.keys import digest
from federation.log.entry import NewEntry
from federation.log.store import LogStore


def statement(label: str, number: int) -> NewEntry:
    body = f"{label} {number}".encode()
    return NewEntry(digest(body), "text/plain", body, digest(b"replay" + body))


def main(path: str, label: str, limit: str, batch: str) -> None:
    store = LogStore(Path(path))
    numbers = count() if limit == "endless" else range(int(limit))
    for number in numbers:
        new = [statement(f"{label} {number}", part) for part in range(int(batch))]
        for index, one in zip(store.append(new, number), new, strict=True):
            print(index, one.envelope.decode(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
