"""Envelopes and documents: what is signed, what names it, and the rules of fields."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vectors.second import Refused, require, wire

INVALID = "document.invalid"
TYPES = {
    "laborfed/" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() + "/v1": name
    for name in wire.MESSAGES
    if name[0].isupper()
}
# Of these messages none is a document by itself.
for _part in ("Administrator", "City", "PrivacyTerms", "TrainingTerms", "StatisticsTerms", "Cell",
              "RecordedContribution", "ModelCard", "KindNotice", "Envelope",
              "Signature", "Attached"):  # fmt: skip
    TYPES = {kind: name for kind, name in TYPES.items() if name != _part}

MAY_BE_EMPTY = {
    ("Membership", "previous_digest"),
    ("Roster", "previous_record_digest"),
    ("RoundRecord", "previous_record_digest"),
    ("RoundRequest", "previous_record_digest"),
    ("DropRecord", "roster_digest"),
    ("Closure", "last_record_digest"),
    ("ModelRelease", "previous_digest"),
    ("Refusal", "charter_digest"),
    ("Refusal", "attempt_nonce"),
}
DIVISION = re.compile(r"[1-9][0-9]{5}")
IDENTIFIERS = {"federation", "log_origin", "model", "indicator", "measure", "administrator"}
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._/-]{0,63}")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class Statement:
    """An envelope, decoded."""

    kind: str
    payload: bytes
    signatures: dict[bytes, bytes]

    @property
    def pae(self) -> bytes:
        kind = self.kind.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    @property
    def digest(self) -> bytes:
        return sha256(self.pae)

    def verify(self, keys: list[bytes]) -> None:
        """Every signature by one of the keys holds."""
        for key in keys:
            signature = self.signatures.get(sha256(key))
            if signature is not None:
                verify(key, signature, self.pae)

    def document(self) -> dict[str, Any]:
        """The payload's fields, rules kept."""
        name = TYPES[self.kind]
        fields = wire.decode(name, self.payload, INVALID)
        check(name, fields)
        return fields


def verify(key: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused("signature.invalid") from None


def open_envelope(raw: bytes) -> Statement:
    """Decode; the type must be known."""
    reason = "envelope.not_decodable"
    fields = wire.decode("Envelope", raw, reason)
    require(fields["payload_type"] != "", reason)
    require(all(len(s["signature"]) == 64 for s in fields["signatures"]), reason)
    signatures = {s["key_id"]: s["signature"] for s in fields["signatures"]}
    require(len(signatures) == len(fields["signatures"]), reason)
    require(fields["payload_type"] in TYPES, "envelope.unknown_type")
    return Statement(fields["payload_type"], fields["payload"], signatures)


def check(message: str, fields: dict[str, Any]) -> None:
    """The rules that follow from what kind of field it is, at any depth."""
    kinds = {name: kind for name, kind, _ in wire.MESSAGES[message].values()}
    for name, value in fields.items():
        if isinstance(value, dict):
            check(kinds[name], value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    check(kinds[name], item)
        else:
            _check_value(message, name, value)


def _check_value(message: str, name: str, value: Any) -> None:
    optional = (message, name) in MAY_BE_EMPTY and not value
    if name.endswith(("_digest", "_key")) or name in {"digest", "attempt_nonce"}:
        require(optional or len(value) == 32, INVALID)
    elif name == "nonce":
        require(len(value) == 16, INVALID)
    elif name.endswith("_ms"):
        require(1 <= value <= 253_402_300_799_999, INVALID)
    elif name in ("city", "division"):
        require(DIVISION.fullmatch(value) is not None, INVALID)
    elif name in IDENTIFIERS:
        require(IDENTIFIER.fullmatch(value) is not None, INVALID)
