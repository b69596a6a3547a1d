"""Checkpoints: the log's signed head (C2SP tlog-checkpoint on C2SP signed-note, both v1).

Knows text, keys and one extension line; must not know how fresh a head must be, whose key is the
log's, or how many witnesses are needed.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from federation.crypto.keys import DIGEST_BYTES, SigningKey, VerifyingKey, digest
from federation.errors import Malformed, Reason, Untrusted
from federation.log.merkle import EMPTY_ROOT

ED25519 = b"\x01"  # signature type, signed-note "Signature types"
KEY_ID_BYTES = 4  # signed-note "Format"
MAX_NOTE_BYTES = 256 * 1024  # every prefecture of the country as a witness, with room
MAX_SIGNATURES = 1024  # signed-note asks for at least 16
MAX_NUMBER = 2**63 - 1  # leaves and milliseconds: what the store's integers hold

_BODY = re.compile(
    r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n"
    r"time (?P<time>0|[1-9][0-9]{0,18})\n"
)
_KEY_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<blob>[A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True)
class Checkpoint:
    """A head: ``size`` leaves under ``root`` (32 bytes) at ``unix_ms`` by the log's clock.

    ``origin`` names the log and its key. Raises Malformed(BAD_CHECKPOINT) when a field breaks its
    rule or an empty tree has another root than the empty one.
    """

    origin: str
    size: int
    root: bytes
    unix_ms: int

    def __post_init__(self) -> None:
        for rule, holds in (
            ("origin is a signed-note key name", is_key_name(self.origin)),
            ("size fits 63 bits", 0 <= self.size <= MAX_NUMBER),
            ("root has 32 bytes", len(self.root) == DIGEST_BYTES),
            ("time fits 63 bits", 0 <= self.unix_ms <= MAX_NUMBER),
            ("only the empty tree has its root", (self.size == 0) == (self.root == EMPTY_ROOT)),
        ):
            if not holds:
                raise _malformed(f"checkpoint: {rule}")

    @property
    def text(self) -> str:
        """The note text that is signed: origin, size, root, then our extension line."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.unix_ms}\n"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """Return the signed note; its one signature line carries the origin as key name."""
    return sign_note(checkpoint.text, checkpoint.origin, key)


def verify_checkpoint(note: bytes, origin: str, key: VerifyingKey) -> Checkpoint:
    """Return the checkpoint of ``origin`` signed by ``key``.

    Malformed(BAD_CHECKPOINT) when it does not parse, Untrusted(BAD_CHECKPOINT) when the log's
    signature is missing or it speaks for another log, Untrusted(BAD_SIGNATURE) when it is damaged.
    """
    checkpoint = read_text(open_note(note, origin, key))
    if checkpoint.origin != origin:
        raise Untrusted(Reason.BAD_CHECKPOINT, f"the checkpoint speaks for {checkpoint.origin!r}")
    return checkpoint


def read_text(text: str) -> Checkpoint:
    """Return what a note's text says, whoever signed it; Malformed(BAD_CHECKPOINT)."""
    body = _BODY.fullmatch(text)
    if body is None:
        raise _malformed("checkpoint: text is not origin, size, root and time")
    root = _canonical(body["root"])
    return Checkpoint(body["origin"], int(body["size"]), root, int(body["time"]))


def sign_note(text: str, name: str, key: SigningKey) -> bytes:
    """Return ``text`` as a signed note with one Ed25519 line under ``name``."""
    blob = note_key_id(name, key.public) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(blob).decode()}\n".encode()


def cosignature(text: str, name: str, key: SigningKey) -> bytes:
    """Return the signature line by which ``name`` co-signs a note with this text."""
    return sign_note(text, name, key).rpartition(b"\n\n")[2]


def open_note(note: bytes, name: str, key: VerifyingKey) -> str:
    """Return the note's text once a line of ``name`` and ``key`` was verified over it.

    Lines of other names or key ids are ignored (log key rotation, witnesses); every line of this
    key must verify. Source: signed-note "Signatures".
    """
    text, signatures = split_note(note)
    wanted = note_key_id(name, key)
    found = False
    for signer, blob in signatures:
        if signer == name and blob[:KEY_ID_BYTES] == wanted:
            key.verify(blob[KEY_ID_BYTES:], text.encode())
            found = True
    if not found:
        raise Untrusted(Reason.BAD_CHECKPOINT, f"the note bears no signature by {name}")
    return text


def split_note(note: bytes) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """Return the text and the (key name, key id ‖ signature) of each line, none of it verified.

    Raises Malformed(BAD_CHECKPOINT) on anything that signed-note "Format" forbids.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise _malformed(f"note: more than {MAX_NOTE_BYTES} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise _malformed("note: not UTF-8") from None
    if _CONTROL.search(whole):
        raise _malformed("note: control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not (text and blank and lines.endswith("\n")):
        raise _malformed("note: no text, blank line and signature lines")
    return text + "\n", tuple(_signature_lines(lines))


def note_key_id(name: str, key: VerifyingKey) -> bytes:
    """Return the 4-byte key id of an Ed25519 note key (signed-note "Ed25519 signatures")."""
    return digest(name.encode() + b"\n" + ED25519 + key.raw)[:KEY_ID_BYTES]


def is_key_name(name: str) -> bool:
    """Tell whether ``name`` may be a key name: not empty, no space of any kind, no plus."""
    return _KEY_NAME.fullmatch(name) is not None


def _signature_lines(lines: str) -> Iterator[tuple[str, bytes]]:
    rows = lines[:-1].split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise _malformed(f"note: more than {MAX_SIGNATURES} signatures")
    for number, row in enumerate(rows, start=1):
        match = _SIGNATURE_LINE.fullmatch(row)
        blob = _canonical(match["blob"]) if match else b""
        if match is None or len(blob) <= KEY_ID_BYTES:
            raise _malformed(f"note: signature line {number}")
        yield match["name"], blob


def _canonical(text: str) -> bytes:
    """Decode base64, refusing every spelling but the one RFC 4648 §4 writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("note: base64") from None
    if base64.b64encode(data).decode() != text:
        raise _malformed("note: base64 is not canonical")
    return data


def _malformed(rule: str) -> Malformed:
    return Malformed(Reason.BAD_CHECKPOINT, rule)
