"""What travels between conductor and city: an envelope, alone or with a vector attached."""

from typing import Any

from vectors.second import require, wire
from vectors.second.statements import Statement, open_envelope, sha256

NOT_DECODABLE = "envelope.not_decodable"


def taken_apart(raw: bytes) -> tuple[bytes, bytes]:
    """The envelope's bytes and the vector, empty where none is attached."""
    if raw[:1] != b"\x7a":  # field 15, bytes
        return raw, b""
    fields = wire.decode("Attached", raw, NOT_DECODABLE)
    return fields["envelope"], fields["vector"]


def opened(raw: bytes, key: bytes) -> tuple[Statement, dict[str, Any], bytes]:
    """A body's statement, signed by the key, with its fields and its vector."""
    envelope, vector = taken_apart(raw)
    statement = open_envelope(envelope)
    statement.verify([key])
    return statement, statement.document(), vector


def contribution(raw: bytes, key: bytes) -> tuple[dict[str, Any], bytes]:
    """A contribution and the vector that it names."""
    _, fields, vector = opened(raw, key)
    size = fields["length"] * fields["modulus_bits"] // 8
    named = len(vector) == size and sha256(vector) == fields["masked_digest"]
    require(named, "round.wrong_binding")
    return fields, vector


def round_request(raw: bytes, key: bytes, sum_digest: bytes) -> tuple[dict[str, Any], bytes]:
    """A request and what is attached to it, if anything is: the sum that its record names."""
    _, fields, vector = opened(raw, key)
    if not fields["previous_record_digest"]:
        require(vector == b"", NOT_DECODABLE)
    require(vector == b"" or sha256(vector) == sum_digest, "round.wrong_sum")
    return fields, vector


def bare(raw: bytes, key: bytes) -> dict[str, Any]:
    """Any other document: nothing is attached to it."""
    _, fields, vector = opened(raw, key)
    require(vector == b"", NOT_DECODABLE)
    return fields


def integers(raw: bytes, length: int, bits: int) -> list[int]:
    """A sum's integers: signed, little-endian, as wide as the modulus."""
    width = bits // 8
    require(len(raw) == length * width, "round.out_of_bound")
    return [
        int.from_bytes(raw[at : at + width], "little", signed=True)
        for at in range(0, len(raw), width)
    ]
