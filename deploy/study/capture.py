"""What crossed the wire, byte for byte, and whether any private value is in it.

Lives here: interceptors that record serialised messages both ways, and an exact search over the
recording. Assembled by the demonstration and by tests only; must not know what the bytes mean.
"""

import base64
import struct
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

Record = Callable[[bytes], None]

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


def recording_interceptors(record: Record) -> list[grpc.aio.ClientInterceptor]:
    """Return interceptors that hand every message's serialised bytes, both ways, to ``record``."""
    return [_UnaryUnary(record), _UnaryStream(record), _StreamStream(record)]


async def _tapped(messages: AsyncIterable[Message], record: Record) -> AsyncIterator[Message]:
    async for message in messages:
        record(message.SerializeToString())
        yield message


class _Recording:
    def __init__(self, record: Record) -> None:
        self._record = record


class _UnaryUnary(_Recording, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self._record(request.SerializeToString())
        call = await continuation(client_call_details, request)
        self._record((await call).SerializeToString())
        return call


class _UnaryStream(_Recording, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        self._record(request.SerializeToString())
        return _tapped(await continuation(client_call_details, request), self._record)


class _StreamStream(_Recording, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        requests = _tapped(request_iterator, self._record)
        return _tapped(await continuation(client_call_details, requests), self._record)


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
