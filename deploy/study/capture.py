"""What crossed the wire, byte for byte, and whether any private value is in it.

Lives here: a channel that records serialised messages both ways, and an exact search over the
recording. Assembled by the demonstration and by tests only; must not know what the bytes mean.
"""

import base64
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_PREFIX = 8  # bytes compared at once as one 64-bit integer
_TABLE_BITS = 22  # 4 MiB of flags: few false candidates at half a million prefixes
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, Knuth TAOCP 6.4
_CHUNK = 1 << 22


class Recorder:
    """Appends every message to a file as (4-byte little-endian length, bytes)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def __call__(self, data: bytes) -> None:
        """Append one message."""
        self._file.write(_LENGTH.pack(len(data)) + data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def recorded(path: Path) -> Iterator[bytes]:
    """Yield the messages of a recording in order; a half-written last one is left out."""
    with path.open("rb") as file:
        while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
            data = file.read(_LENGTH.unpack(head)[0])
            if len(data) == _LENGTH.unpack(head)[0]:
                yield data


class RecordingChannel:
    """A ``grpc.aio.Channel`` whose serialisers hand each message's bytes to ``record``."""

    def __init__(self, channel: Any, record: Callable[[bytes], None]) -> None:
        self._channel = channel
        self._record = record

    def __getattr__(self, name: str) -> Any:
        if name not in {"unary_unary", "unary_stream", "stream_unary", "stream_stream"}:
            return getattr(self._channel, name)
        make = getattr(self._channel, name)

        def recording(
            method: str, request_serializer: Any, response_deserializer: Any, **options: Any
        ) -> Any:
            def serialise(message: Any) -> bytes:
                data: bytes = request_serializer(message)
                self._record(data)
                return data

            def deserialise(data: bytes) -> Any:
                self._record(data)
                return response_deserializer(data)

            return make(
                method,
                request_serializer=serialise,
                response_deserializer=deserialise,
                **options,
            )

        return recording


def spellings(value: str) -> frozenset[bytes]:
    """Return the byte forms searched for: UTF-8, GB18030, and hex and base64 of both.

    Base64 depends on the position modulo 3, so each alignment's stable middle is one form.
    """
    forms: set[bytes] = set()
    for raw in {value.encode(), value.encode("gb18030")}:
        forms |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + raw)
            middle = encoded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
            forms |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return frozenset(forms)


def found_values(messages: Iterable[bytes], values: Iterable[str]) -> frozenset[str]:
    """Return those of ``values`` that stand in any message in any spelling.

    Values need at least 8 bytes in UTF-8 and 12 in base64; shorter ones raise ValueError, because
    they would be found by chance.
    """
    owner = {form: value for value in values for form in spellings(value)}
    short = [value for form, value in owner.items() if len(form) < _PREFIX]
    if short:
        raise ValueError(f"too short to search for: {short[0]!r}")
    by_prefix: dict[int, list[bytes]] = {}
    for form in owner:
        by_prefix.setdefault(int.from_bytes(form[:_PREFIX], "little"), []).append(form)
    prefixes = np.fromiter(by_prefix, np.uint64, len(by_prefix))
    flags = np.zeros(1 << _TABLE_BITS, bool)
    flags[_slot(prefixes)] = True
    haystack = b"\x00".join(messages)
    found = set()
    for position, prefix in _candidates(haystack, flags):
        for form in by_prefix.get(prefix, ()):
            if haystack.startswith(form, position):
                found.add(owner[form])
    return frozenset(found)


def _slot(windows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (windows * _MULTIPLIER) >> np.uint64(64 - _TABLE_BITS)


def _candidates(haystack: bytes, flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield (position, 8-byte prefix) wherever the prefix may be one that is searched for."""
    last = len(haystack) - _PREFIX + 1
    for start in range(0, max(last, 0), _CHUNK):
        count = min(_CHUNK, last - start)
        windows = np.ndarray((count,), "<u8", haystack, offset=start, strides=(1,))
        hits = np.flatnonzero(flags[_slot(windows)])
        for hit in hits.tolist():
            yield start + hit, int(windows[hit])
