"""The field rules that documents share.

Lives here: one function a rule, each raising with the field's name. Must not know: any document.
"""

import itertools
import math
import operator
import re
from collections.abc import Iterable, Sequence

from federation.errors import Malformed, Reason

DIGEST_BYTES = 32  # SHA-256, FIPS 180-4
KEY_BYTES = 32  # Ed25519 (RFC 8032) and X25519 (RFC 7748) public keys
NONCE_BYTES = 32
MAX_VERSION = 2**32 - 1  # what the wire's uint32 holds
MAX_TIME_MS = 253_402_300_799_999  # 9999-12-31, the last day ISO 8601 writes with four digits

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}")
_DIVISION = re.compile(r"[1-9][0-9]{5}")


def invalid(field: str, rule: str) -> Malformed:
    """The error of a field that breaks its rule."""
    return Malformed(Reason.INVALID_DOCUMENT, f"{field}: {rule}")


def require(holds: bool, field: str, rule: str) -> None:
    """Raise Malformed(INVALID_DOCUMENT) naming field and rule unless ``holds``."""
    if not holds:
        raise invalid(field, rule)


def check_bytes(field: str, value: bytes, size: int, *, optional: bool = False) -> None:
    """``value`` has ``size`` bytes, or none at all where ``optional``."""
    if len(value) != size and not (optional and value == b""):
        raise invalid(field, f"must be {size} bytes, has {len(value)}")


def check_digest(field: str, value: bytes, *, optional: bool = False) -> None:
    """A SHA-256 digest; empty is allowed where ``optional``."""
    if len(value) != DIGEST_BYTES:  # the commonest rule of all: no second call for what holds
        check_bytes(field, value, DIGEST_BYTES, optional=optional)


def check_digests(field: str, values: Iterable[bytes]) -> None:
    """:func:`check_digest` of hundreds, without a call for each."""
    if not set(map(len, values)) <= {DIGEST_BYTES}:
        raise invalid(field, f"must be {DIGEST_BYTES} bytes each")


def check_key(field: str, value: bytes) -> None:
    """A raw 32-byte public key."""
    check_bytes(field, value, KEY_BYTES)


def check_identifier(field: str, value: str) -> None:
    """Lower-case ASCII letters, digits and ``._/-``; 1 to 64 characters."""
    require(
        _IDENTIFIER.fullmatch(value) is not None,
        field,
        "must be 1-64 characters of a-z 0-9 . _ / - and begin with a letter or digit",
    )


def check_text(field: str, value: str, limit: int = 256, *, optional: bool = False) -> None:
    """Printable text of 1 to ``limit`` characters (0 where ``optional``)."""
    require(len(value) <= limit, field, f"must have at most {limit} characters")
    require(optional or value != "", field, "must not be empty")
    require(value.isprintable(), field, "must hold printable characters only")


def check_division(field: str, value: str) -> None:
    """Six digits shaped like a GB/T 2260 code; whether it is listed is policy's question."""
    if _DIVISION.fullmatch(value) is None:
        raise invalid(field, "must be a six-digit GB/T 2260 code")


def check_divisions(field: str, values: Iterable[str]) -> None:
    """:func:`check_division` of hundreds, without a call for each."""
    if not all(map(_DIVISION.fullmatch, values)):
        raise invalid(field, "must be six-digit GB/T 2260 codes")


def check_range(field: str, value: int, low: int, high: int) -> None:
    """``low`` ≤ ``value`` ≤ ``high``."""
    require(low <= value <= high, field, f"must be between {low} and {high}, is {value}")


def check_real(field: str, value: float, low: float, high: float) -> None:
    """A finite number with ``low`` ≤ ``value`` ≤ ``high``."""
    require(
        math.isfinite(value) and low <= value <= high,
        field,
        f"must be a number between {low} and {high}, is {value}",
    )


def check_positive(field: str, value: float, high: float) -> None:
    """A finite number with 0 < ``value`` ≤ ``high``."""
    check_real(field, value, 0.0, high)
    require(value > 0, field, "must be greater than 0")


def check_time(field: str, value: int) -> None:
    """Unix milliseconds after 1970 and before the year 10000."""
    check_range(field, value, 1, MAX_TIME_MS)


def check_choice(field: str, value: str, choices: Iterable[str]) -> None:
    """``value`` is one of ``choices``."""
    listed = tuple(choices)
    require(value in listed, field, f"must be one of {', '.join(listed)}, is {value!r}")


def check_count(field: str, values: Sequence[object], low: int, high: int) -> None:
    """Between ``low`` and ``high`` items."""
    require(low <= len(values) <= high, field, f"must have {low} to {high} items")


def check_distinct(field: str, values: Sequence[object]) -> None:
    """No item twice."""
    require(len(set(values)) == len(values), field, "must not name one item twice")


def check_ascending(field: str, values: Sequence[str]) -> None:
    """Strictly ascending, so that one set has one writing."""
    require(
        all(map(operator.lt, values, itertools.islice(values, 1, None))),
        field,
        "must be in strictly ascending order",
    )
