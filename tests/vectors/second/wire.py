"""Protobuf by hand: messages read from the .proto files, every unknown field refused."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vectors.second import Refused

PROTOS = Path(__file__).parents[3] / "proto/federation/wire/v1"
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.S | re.M)
_FIELD = re.compile(r"^\s*(repeated )?(\w+) (\w+) = (\d+);", re.M)
_VARINTS = {"uint32", "uint64", "int64", "bool"}
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_VARINTS, 0),
    "double": 0.0,
    "bytes": b"",
    "string": "",
}

# message -> field number -> (name, type, repeated)
MESSAGES = {
    name: {
        int(number): (field, kind, bool(repeated))
        for repeated, kind, field, number in _FIELD.findall(body)
    }
    for file in ("envelope", "documents", "rounds")
    for name, body in _MESSAGE.findall((PROTOS / f"{file}.proto").read_text())
}


def decode(message: str, data: bytes, reason: str) -> dict[str, Any]:
    """Return a message's fields by name, nested messages as dictionaries, absent ones None."""
    fields = MESSAGES[message]
    found: dict[str, Any] = {
        name: [] if repeated else _DEFAULTS.get(kind) for name, kind, repeated in fields.values()
    }
    try:
        for number, wire_type, value in _parts(data):
            name, kind, repeated = fields[number]
            read = _value(kind, wire_type, value, reason)
            if repeated:
                found[name].append(read)
            else:
                found[name] = read
    except (KeyError, IndexError, ValueError, struct.error):
        raise Refused(reason) from None
    return found


def _parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == 1:
            size = 8
        elif wire_type == 2:
            size, at = _varint(data, at)
        else:
            raise ValueError("wire type")
        if at + size > len(data):
            raise ValueError("truncated")
        yield number, wire_type, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _value(kind: str, wire_type: int, value: Any, reason: str) -> Any:
    if kind in _VARINTS:
        if wire_type != 0:
            raise ValueError("not a varint")
        return bool(value) if kind == "bool" else value
    if kind == "double":
        return struct.unpack("<d", value)[0]
    if wire_type != 2:
        raise ValueError("not bytes")
    if kind == "bytes":
        return value
    if kind == "string":
        return value.decode()
    return decode(kind, value, reason)
