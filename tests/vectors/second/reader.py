"""The reader of the log: pin, memberships, checkpoints, proofs, and the ten steps in order."""

import base64
from dataclasses import dataclass, field
from typing import Any

from vectors.second import Refused, require
from vectors.second.statements import Statement, open_envelope, sha256, verify

ROLES = {
    "administrators": ("membership", "charter"),
    "city": ("policy-notice",),
    "coordinator": ("roster", "round-record", "drop-record", "closure", "model-release",
                    "statistics-release"),
}  # fmt: skip
WITNESSED = ("membership", "charter", "roster", "model-release", "statistics-release")
STAMPS = ("issued_ms", "rostered_ms", "closed_ms", "recorded_ms", "released_ms")
DEADLINES = {"membership": "expires_ms", "charter": "not_after_ms"}


def name_of(kind: str) -> str:
    return kind.removeprefix("laborfed/").removesuffix("/v1")


@dataclass
class Known:
    """A believed membership."""

    fields: dict[str, Any]
    digest: bytes

    def keys_of(self, role: str) -> dict[bytes, str]:
        """Raw keys of a role and whose they are."""
        if role == "administrators":
            return {
                key: a["administrator"]
                for a in self.fields["administrators"]
                for key in a["signing_keys"]
            }
        if role == "city":
            cities = [c for c in self.fields["cities"] if c["status"] == "active"]
            return {c["signing_key"]: c["division"] for c in cities}
        return {self.fields["coordinator_key"]: "coordinator"}

    def signed(self, statement: Statement, role: str, step: int) -> None:
        """Enough of the role signed; whether the signatures hold is step 4."""
        keys = self.keys_of(role)
        names = {name for key, name in keys.items() if sha256(key) in statement.signatures}
        needed = self.fields["threshold"] if role == "administrators" else 1
        require(len(names) >= needed, "signature.below_threshold", step)


@dataclass
class Reader:
    """A reader with its pin and limits; ``take`` reads the next entry or refuses and changes
    nothing."""

    pin: dict[str, Any]
    limits: dict[str, int]
    memberships: list[Known] = field(default_factory=list)
    size: int = 0
    root: bytes = sha256(b"")
    next_index: int = 0
    seen: set[bytes] = field(default_factory=set)
    release: int = 0

    def take(self, bundle: dict[str, Any], now_ms: int) -> bytes:
        """Return the document digest of the entry."""
        raw = bytes.fromhex(bundle["envelope"])
        require(raw != b"", "envelope.not_decodable", 1)
        require(len(raw) <= self.limits["max_envelope_bytes"], "input.too_large", 1)
        statement = _at(2, open_envelope, raw)
        kind = name_of(statement.kind)
        require(any(kind in kinds for kinds in ROLES.values()), "envelope.unexpected_type", 2)
        known = self.memberships[-1] if self.memberships else None
        fields = self._signed(statement, kind, known)
        size, root = self._head(bundle, kind, known, now_ms)
        _included(raw, bundle, size, root)
        require(bundle["leaf_index"] <= self.next_index, "log.gap", 7)
        self._consistent(bundle, size, root)
        self._valid(fields, kind, known, bundle["leaf_index"] + 1 == size, now_ms)
        self._new(statement, fields, kind, known)
        if kind == "membership":
            self.memberships.append(Known(fields, statement.digest))
        if kind == "model-release":
            self.release = fields["version"]
        self.seen.add(statement.digest)
        self.size, self.root, self.next_index = size, root, bundle["leaf_index"] + 1
        return statement.digest

    def _signed(self, statement: Statement, kind: str, known: Known | None) -> dict[str, Any]:
        role = next(role for role, kinds in ROLES.items() if kind in kinds)
        if known is None:
            require(kind == "membership", "membership.none", 3)
            pinned = bytes.fromhex(self.pin["membership_digest"])
            require(statement.digest == pinned, "membership.wrong_previous", 3)
        else:
            strangers = statement.signatures.keys() - {sha256(k) for k in known.keys_of(role)}
            require(kind == "membership" or not strangers, "signature.unknown_signer", 3)
            known.signed(statement, role, 3)
            _at(4, statement.verify, list(known.keys_of(role)))
        fields: dict[str, Any] = _at(5, statement.document)
        if kind == "membership":
            own = Known(fields, statement.digest)
            own.signed(statement, role, 5)
            _at(5, statement.verify, list(own.keys_of(role)))
        if known is not None and "federation" in fields:
            same = fields["federation"] == known.fields["federation"]
            require(same, "document.wrong_federation", 5)
        return fields

    def _head(
        self, bundle: dict[str, Any], kind: str, known: Known | None, now_ms: int
    ) -> tuple[int, bytes]:
        origin = self.pin["log_origin"]
        pinned = bytes.fromhex(self.pin["log_key"])
        named = [m.fields["log_key"] for m in self.memberships]
        key = named[-1] if pinned in named else pinned
        text, lines = split_note(bundle["checkpoint"])
        _at(6, check_line, text, lines, origin, key)
        rows = text.split("\n")
        require(len(rows) == 5 and rows[0] == origin, "log.bad_checkpoint", 6)
        age_ms = now_ms - int(rows[3].removeprefix("time "))
        oldest, ahead = self.limits["max_checkpoint_age_ms"], self.limits["max_clock_skew_ms"]
        require(-ahead <= age_ms <= oldest, "log.stale_checkpoint", 6)
        if kind in WITNESSED and known is not None:
            require(
                _witnesses(text, lines, known) >= known.fields["witness_quorum"],
                "log.not_witnessed",
                6,
            )
        return int(rows[1]), base64.b64decode(rows[2])

    def _consistent(self, bundle: dict[str, Any], size: int, root: bytes) -> None:
        require(size >= self.size, "document.rolled_back", 8)
        require(bundle["consistency_from"] == self.size, "log.consistency_missing", 8)
        path = [bytes.fromhex(value) for value in bundle["consistency_path"]]
        require(extends(self.size, self.root, size, root, path), "log.inconsistent", 8)

    def _valid(
        self, fields: dict[str, Any], kind: str, known: Known | None, last: bool, now_ms: int
    ) -> None:
        stamp = next((fields[name] for name in STAMPS if name in fields), 0)
        ahead = self.limits["max_clock_skew_ms"]
        require(stamp <= now_ms + ahead, "document.not_yet_valid", 9)
        if last and kind != "membership" and known is not None:
            require(now_ms < known.fields["expires_ms"], "membership.expired", 9)
            if kind in DEADLINES:
                require(now_ms < fields[DEADLINES[kind]], "document.expired", 9)

    def _new(
        self, statement: Statement, fields: dict[str, Any], kind: str, known: Known | None
    ) -> None:
        require(statement.digest not in self.seen, "document.replayed", 10)
        if kind == "membership":
            version = known.fields["version"] if known else 0
            require(fields["version"] > version, "document.rolled_back", 10)
            follows = fields["version"] == version + 1
            digest = known.digest if known else b""
            follows = follows and fields["previous_digest"] == digest
            require(follows, "membership.wrong_previous", 10)
        if kind == "model-release":
            require(fields["version"] > self.release, "document.rolled_back", 10)


def _at(step: int, check: Any, *arguments: Any) -> Any:
    try:
        return check(*arguments)
    except Refused as refused:
        raise Refused(refused.reason, step) from None


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A signed note's text and its lines: name, key id ‖ signature."""
    text, _, rest = note.rpartition("\n\n")
    lines = [row.removeprefix("— ").split(" ") for row in rest.rstrip("\n").split("\n")]
    return text + "\n", [(name, base64.b64decode(blob)) for name, blob in lines]


def check_line(text: str, lines: list[tuple[str, bytes]], name: str, key: bytes) -> None:
    """A line of this name and key is there, and it holds."""
    key_id = sha256(name.encode() + b"\n\x01" + key)[:4]
    mine = [blob for signer, blob in lines if signer == name and blob[:4] == key_id]
    require(bool(mine), "log.bad_checkpoint")
    for blob in mine:
        verify(key, blob[4:], text.encode())


def _witnesses(text: str, lines: list[tuple[str, bytes]], known: Known) -> int:
    seen = 0
    for city in known.fields["cities"]:
        if city["division"] in known.fields["witnesses"]:
            try:
                check_line(text, lines, city["division"], city["signing_key"])
            except Refused:
                continue
            seen += 1
    return seen


def _included(raw: bytes, bundle: dict[str, Any], size: int, root: bytes) -> None:
    """RFC 9162 §2.1.3.2."""
    node, last = bundle["leaf_index"], size - 1
    value = sha256(b"\x00" + sha256(raw))
    require(node <= last, "log.not_included", 7)
    for sibling in map(bytes.fromhex, bundle["inclusion_path"]):
        require(last > 0, "log.not_included", 7)
        if node % 2 or node == last:
            value = sha256(b"\x01" + sibling + value)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            value = sha256(b"\x01" + value + sibling)
        node, last = node >> 1, last >> 1
    require(last == 0 and value == root, "log.not_included", 7)


def extends(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> bool:
    """RFC 9162 §2.1.4.2; everything extends the empty tree."""
    if old == 0:
        return not path
    if old == new:
        return not path and old_root == new_root
    hashes = ([old_root] if old & (old - 1) == 0 else []) + path
    if not hashes:
        return False
    node, last = old - 1, new - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node % 2 or node == last:
            before, after = sha256(b"\x01" + sibling + before), sha256(b"\x01" + sibling + after)
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            after = sha256(b"\x01" + after + sibling)
        node, last = node >> 1, last >> 1
    return (before, after, last) == (old_root, new_root, 0)
