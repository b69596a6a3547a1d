"""What crossed the wire, byte for byte, and whether any private value is in it.

Lives here: interceptors that record serialised messages both ways, and an exact search over the
recording. Assembled by the demonstration and by tests only; must not know what the bytes mean.
"""

import base64
import struct
from array import array
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

Record = Callable[[bytes], None]

_LENGTH = struct.Struct("<I")
LEAST_BYTES = 8  # compared at once as one 64-bit integer
_TABLE_BITS = 26  # 64 MiB of flags: one window in twenty is looked up at three million prefixes
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
    """Return those of ``values`` that stand in any one message in any spelling.

    Values need at least LEAST_BYTES in UTF-8, else ValueError: shorter ones would be found by
    chance. Spellings shorter than that (GB18030 of three characters) are left out for that reason.
    """
    known = tuple(values)
    for value in known:
        if len(value.encode()) < LEAST_BYTES:
            raise ValueError(f"too short to search for: {value!r}")
    needles = _needles(known)
    found: set[str] = set()
    for haystack in _gathered(messages):
        for position, owner in needles.met_in(haystack):
            value = known[owner]
            if value not in found and _stands(haystack, position, value):
                found.add(value)
    return frozenset(found)


def _stands(haystack: bytes, position: int, value: str) -> bool:
    return any(
        haystack.startswith(form, position) for form in spellings(value) if len(form) >= LEAST_BYTES
    )


def _gathered(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Join small messages, a zero byte between, so that few searches cover them all."""
    waiting: list[bytes] = []
    size = 0
    for message in messages:
        waiting.append(message)
        size += len(message)
        if size >= _CHUNK:
            yield b"\x00".join(waiting)
            waiting, size = [], 0
    yield b"\x00".join(waiting)


@dataclass(frozen=True)
class _Needles:
    """First 8 bytes of every spelling, ascending uint64 [n]; whose they are, uint32 [n]."""

    prefixes: NDArray[np.uint64]
    owners: NDArray[np.uint32]
    flags: NDArray[np.bool_]

    def met_in(self, haystack: bytes) -> Iterator[tuple[int, int]]:
        """Yield (position, owner) wherever one of the prefixes stands."""
        last = len(haystack) - LEAST_BYTES + 1
        for start in range(0, max(last, 0), _CHUNK):
            count = min(_CHUNK, last - start)
            windows = np.ndarray((count,), "<u8", haystack, offset=start, strides=(1,))
            near = np.flatnonzero(self.flags[_slot(windows)])
            first = np.searchsorted(self.prefixes, windows[near], "left")
            after = np.searchsorted(self.prefixes, windows[near], "right")
            for at in np.flatnonzero(after > first).tolist():
                for owner in self.owners[first[at] : after[at]].tolist():
                    yield start + int(near[at]), owner


def _needles(values: Sequence[str]) -> _Needles:
    prefixes, owners = array("Q"), array("I")
    for number, value in enumerate(values):
        for form in spellings(value):
            if len(form) >= LEAST_BYTES:
                prefixes.append(int.from_bytes(form[:LEAST_BYTES], "little"))
                owners.append(number)
    unsorted = np.frombuffer(prefixes, np.uint64) if prefixes else np.zeros(0, np.uint64)
    order = np.argsort(unsorted)
    flags = np.zeros(1 << _TABLE_BITS, np.bool_)
    flags[_slot(unsorted)] = True
    return _Needles(unsorted[order], np.asarray(owners, np.uint32)[order], flags)


def _slot(windows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (windows * _MULTIPLIER) >> np.uint64(64 - _TABLE_BITS)
