"""Listing witnesses by command line, and judging the evidence that one of them hands out."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from support.administration import Desk, done, typed
from support.documents import city
from support.federation import ORIGIN, signing_key

from federation.cli.common import read_envelope
from federation.crypto.envelope import Envelope
from federation.crypto.keys import digest
from federation.documents.membership import Membership
from federation.errors import Reason
from federation.log.checkpoint import Checkpoint, sign_checkpoint
from federation.log.conflict import Conflict, Told
from federation.wire.codec import decode_document, encode_document, encode_envelope

CITIES = ("310000", "330100", "340100", "440300")
LOG = signing_key("log")


# --- membership witnesses ---------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def membership_in(file: Path) -> Membership:
    envelope = read_envelope(file)
    document = decode_document(envelope.payload_type, envelope.payload)
    assert isinstance(document, Membership)
    return document


def found(desk: Desk, *divisions: str) -> None:
    """Found a federation that has cities from the beginning."""
    desk.begin()
    first = replace(
        membership_in(desk.membership), cities=tuple(city(division) for division in divisions)
    )
    desk.membership.write_bytes(encode_envelope(Envelope(*encode_document(first))))
    desk.sign(desk.membership, "chen", "li")
    desk.submit(desk.membership)


def draft(desk: Desk, *options: str, name: str = "next") -> tuple[str, Membership]:
    file = desk.folder / f"{name}.envelope"
    told = done("membership", "witnesses", "--home", desk.home, "--out", file, *options)
    return told, membership_in(file)


def test_every_active_city_becomes_a_witness(desk: Desk) -> None:
    found(desk, *CITIES)
    told, following = draft(desk)
    assert "4 witnesses, of whom 3 must co-sign" in told
    assert (following.witnesses, following.witness_quorum) == (CITIES, 3)


def test_some_are_named_and_none_ends_it(desk: Desk) -> None:
    found(desk, *CITIES)
    three = [word for division in CITIES[1:] for word in ("--city", division)]
    assert draft(desk, *three)[1].witnesses == CITIES[1:]
    assert draft(desk, "--none", name="none")[1].witness_quorum == 0


def test_what_cannot_be_is_refused_and_nothing_is_written(desk: Desk) -> None:
    desk.found()
    out = ("--home", desk.home, "--out", desk.folder / "next.envelope")
    desk.refused(Reason.NOT_FOUND, "membership", "witnesses", *out)
    desk.refused(Reason.INVALID_DOCUMENT, "membership", "witnesses", *out, "--city", CITIES[0])
    both = ("--none", "--city", CITIES[0])
    desk.refused(Reason.CONFIGURATION, "membership", "witnesses", *out, *both)


def test_what_too_few_can_witness_is_logged_and_the_operator_is_told(desk: Desk) -> None:
    """Nobody serves: the document waits in the log, which holds."""
    found(desk, *CITIES)
    for name in ("first", "second"):
        draft(desk, name=name)
        file = desk.folder / f"{name}.envelope"
        desk.sign(file, "chen", "li")
        result = typed("submit", file, "--home", desk.home)
        if name == "first":  # judged by membership 1, which lists no witness
            assert result.exit_code == 0, result.output
    assert result.exit_code == 1
    assert "once 3 witnesses have co-signed the log's head: 0 did" in result.stderr
    assert "310000 (does not attend)" in result.stderr
    assert f"[{Reason.NOT_WITNESSED}]" in result.stderr
    told = done("audit", "--home", desk.home)
    assert "entries: 3" in told
    assert "heads kept: 3, co-signed by a witness quorum: 0" in told
    assert "everything holds" in told


# --- log evidence -----------------------------------------------------------------------------


def note(size: int, label: str, at_ms: int = 1_000, key: str = "log") -> bytes:
    head = Checkpoint(ORIGIN, size, digest(label.encode()), at_ms)
    return sign_checkpoint(head, signing_key(key))


def judged(tmp_path: Path, kept: bytes, shown: bytes, *options: str) -> tuple[int, str]:
    """Write evidence as a node does and have it judged."""
    file = tmp_path / "evidence.json"
    told = Told(
        at_ms=1,
        sentence=Conflict(kept, shown, "why").sentence,
        log_origin=ORIGIN,
        log_keys=(LOG.public.raw.hex(),),
        kept=kept.decode(),
        shown=shown.decode(),
    )
    file.write_text(json.dumps([asdict(told)]))
    result = typed("log", "evidence", file, *options)
    return result.exit_code, result.stdout


@pytest.mark.parametrize(
    ("kept", "shown", "code", "verdict"),
    [
        (note(5, "a"), note(5, "b"), 0, "PROVEN: the log signed two different trees of one size"),
        (note(5, "a"), note(4, "b", 2_000), 0, "PROVEN: the log signed a smaller tree after"),
        (note(4, "a"), note(5, "b", 2_000), 1, "must prove that its tree of 5 entries extends"),
        (note(5, "a"), note(5, "a", 2_000), 1, "both say the same"),
        (note(5, "a"), note(5, "b", key="forger"), 1, "the log did not sign both"),
        (b"", note(5, "b"), 1, "the log did not sign both"),
    ],
    ids=["fork", "shrunk", "grown", "the same", "forged", "nothing kept"],
)
def test_signatures_alone_prove_what_they_prove(
    tmp_path: Path, kept: bytes, shown: bytes, code: int, verdict: str
) -> None:
    ended, told = judged(tmp_path, kept, shown)
    assert verdict in told
    assert ended == code


def test_the_key_one_knows_counts_more_than_the_files(tmp_path: Path) -> None:
    heads = note(5, "a"), note(5, "b")
    assert judged(tmp_path, *heads, "--log-key", LOG.public.raw.hex())[0] == 0
    other = signing_key("other").public.raw.hex()
    code, told = judged(tmp_path, *heads, "--log-key", other)
    assert (code, told.count("NOT signed by the log")) == (1, 2)


@pytest.mark.parametrize("content", ["", "[1]", '[{"kept": ""}]', "{}x"])
def test_what_is_no_evidence_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(content)
    result = typed("log", "evidence", file)
    assert result.exit_code == 1
    assert f"[{Reason.CONFIGURATION}]" in result.stderr
