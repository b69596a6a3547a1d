"""Checkpoints: a published signed note, its damaged twins, and strict parsing."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.crypto.keys import SigningKey, VerifyingKey
from federation.errors import LaborfedError, Malformed, Reason, Untrusted
from federation.log.checkpoint import (
    Checkpoint,
    note_key_id,
    open_note,
    sign_checkpoint,
    sign_note,
    split_note,
    verify_checkpoint,
)
from federation.log.merkle import EMPTY_ROOT

NOTE = json.loads((Path(__file__).parents[2] / "vectors" / "signed_note.json").read_text("utf-8"))
NAME, KEY_ID, KEY_BYTES = NOTE["verifier_key"].split("+", 2)
PETER = VerifyingKey(base64.b64decode(KEY_BYTES)[1:])
SECRET = SigningKey.from_seed(base64.b64decode(NOTE["signer_key"].split("+", 4)[4])[1:])
TEXT, LINE, OTHER = NOTE["text"], NOTE["signature_line"], NOTE["other_signature_line"]


def test_the_published_note_opens_and_is_signed_alike() -> None:
    published = f"{TEXT}\n{LINE}".encode()
    assert note_key_id(NAME, PETER).hex() == KEY_ID
    assert open_note(published, NAME, PETER) == TEXT
    assert SECRET.public == PETER
    assert sign_note(TEXT, NAME, SECRET) == published


@pytest.mark.parametrize(
    "lines",
    [LINE + OTHER, OTHER + LINE, LINE + OTHER.replace("EnochRoot", NAME), LINE + LINE],
    ids=["another after", "another before", "our name with another key", "twice"],
)
def test_lines_of_other_keys_are_ignored(lines: str) -> None:
    assert open_note(f"{TEXT}\n{lines}".encode(), NAME, PETER) == TEXT


BAD_BLOB = LINE.replace("UG/SffcvIAQ", "UG/SffcvIAR")


@pytest.mark.parametrize(
    ("note", "fault"),
    [
        pytest.param(TEXT + "\n" + BAD_BLOB, Untrusted, id="signature bit"),
        pytest.param(TEXT + "\n" + LINE + BAD_BLOB, Untrusted, id="one good line, one bad"),
        pytest.param(TEXT.replace("you", "You") + "\n" + LINE, Untrusted, id="text"),
        pytest.param(TEXT + "\n\n" + LINE, Untrusted, id="a line more in the text"),
        pytest.param(TEXT + "\n" + OTHER, Untrusted, id="somebody else's line only"),
        pytest.param(TEXT + "\n" + LINE.replace(NAME, "Peter"), Untrusted, id="another name"),
        pytest.param(TEXT, Malformed, id="no signature"),
        pytest.param(TEXT + "\n", Malformed, id="blank line only"),
        pytest.param("\n" + LINE, Malformed, id="no text"),
        pytest.param(TEXT + "\n" + LINE[:-1], Malformed, id="last newline missing"),
        pytest.param(TEXT + "\n" + LINE + "more\n", Malformed, id="a line that is no signature"),
        pytest.param(TEXT + "\n" + LINE.replace("— ", "- "), Malformed, id="hyphen for dash"),
        pytest.param(TEXT + "\n" + LINE.replace(" x0", "  x0"), Malformed, id="two spaces"),
        pytest.param(TEXT + "\n" + LINE.replace(NAME, "Bad Name"), Malformed, id="space in name"),
        pytest.param(TEXT + "\n" + LINE.replace(NAME, "Bad+Name"), Malformed, id="plus in name"),
        pytest.param(TEXT + "\n" + LINE.replace(NAME, "Bad\u2003N"), Malformed, id="wide space"),
        pytest.param(
            TEXT + "\n" + LINE.replace("AM=\n", "AN=\n"), Malformed, id="slack base64 bits"
        ),
        pytest.param(TEXT + "\n" + LINE.replace("=\n", "\n"), Malformed, id="base64 padding gone"),
        pytest.param(TEXT + "\n— X AAAA\n", Malformed, id="nothing behind the key id"),
        pytest.param("\x01" + TEXT + "\n" + LINE, Malformed, id="control character"),
        pytest.param(TEXT.replace("\n", "\r\n") + "\n" + LINE, Malformed, id="carriage return"),
        pytest.param(TEXT + "\n" + OTHER * 1025, Malformed, id="too many signatures"),
        pytest.param("x" * 2**18 + "\n\n" + LINE, Malformed, id="too long"),
    ],
)
def test_a_damaged_note_is_refused(note: str, fault: type[LaborfedError]) -> None:
    with pytest.raises(fault):
        open_note(note.encode(), NAME, PETER)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Malformed):
        open_note(b"\xff" + f"{TEXT}\n{LINE}".encode(), NAME, PETER)


def test_splitting_gives_every_line_unverified() -> None:
    text, lines = split_note(f"{TEXT}\n{LINE}{OTHER}".encode())
    assert text == TEXT
    assert [name for name, _ in lines] == ["PeterNeumann", "EnochRoot"]
    assert lines[0][1][:4].hex() == KEY_ID


ORIGIN = "log.example/federation"
LOG = SigningKey.from_seed(bytes([5]) * 32)
CHECKPOINT = Checkpoint(ORIGIN, 20852163, bytes(range(32)), 1_760_000_000_123)


def test_a_checkpoint_reads_as_specified() -> None:
    text, _ = split_note(sign_checkpoint(CHECKPOINT, LOG))
    root = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert text == f"{ORIGIN}\n20852163\n{root}\ntime 1760000000123\n"


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1))
def test_a_signed_checkpoint_comes_back(size: int, root: bytes, unix_ms: int) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root, unix_ms)
    note = sign_checkpoint(checkpoint, LOG)
    assert verify_checkpoint(note, ORIGIN, LOG.public) == checkpoint
    witness = sign_note(checkpoint.text, "witness.example", SECRET).decode().rpartition("\n\n")[2]
    assert verify_checkpoint(note + witness.encode(), ORIGIN, LOG.public) == checkpoint


def test_the_empty_log_has_a_checkpoint() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT, 1)
    assert verify_checkpoint(sign_checkpoint(empty, LOG), ORIGIN, LOG.public) == empty


ROOT64 = base64.b64encode(bytes(range(32))).decode()
LONE = f"{ORIGIN}\n5\n{ROOT64}\ntime 7\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LONE.replace("\n5\n", "\n05\n"), id="leading zero in size"),
        pytest.param(LONE.replace("\n5\n", "\n+5\n"), id="sign before size"),
        pytest.param(LONE.replace("\n5\n", "\n-5\n"), id="negative size"),
        pytest.param(LONE.replace("\n5\n", "\n٥\n"), id="size in other digits"),
        pytest.param(LONE.replace("\n5\n", "\n\n"), id="no size"),
        pytest.param(LONE.replace("\n5\n", f"\n{2**63}\n"), id="size beyond 63 bits"),
        pytest.param(LONE.replace("\n5\n", f"\n{10**40}\n"), id="size of forty digits"),
        pytest.param(LONE.replace("\n5\n", "\n0\n"), id="no leaves but a root"),
        pytest.param(LONE.replace("Hh8=", "Hh9="), id="root with slack bits"),
        pytest.param(LONE.replace("Hh8=", "Hh8"), id="root without padding"),
        pytest.param(LONE.replace(ROOT64, ROOT64[:40]), id="short root"),
        pytest.param(LONE.replace("time 7\n", ""), id="no time"),
        pytest.param(LONE.replace("time 7", "time 07"), id="leading zero in time"),
        pytest.param(LONE.replace("time 7", "time  7"), id="two spaces before time"),
        pytest.param(LONE.replace("time 7", f"time {2**63}"), id="time beyond 63 bits"),
        pytest.param(LONE + "more\n", id="a line more"),
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_malformed(text: str) -> None:
    assert verify_checkpoint(sign_note(LONE, ORIGIN, LOG), ORIGIN, LOG.public).size == 5
    with pytest.raises(Malformed) as refusal:
        verify_checkpoint(sign_note(text, ORIGIN, LOG), ORIGIN, LOG.public)
    assert refusal.value.reason is Reason.BAD_CHECKPOINT


@pytest.mark.parametrize(
    ("note", "said"),
    [
        pytest.param(sign_note(LONE, ORIGIN, SECRET), "bears no signature", id="another key"),
        pytest.param(
            sign_note(LONE.replace(ORIGIN, "log.example/other"), ORIGIN, LOG),
            "speaks for 'log.example/other'",
            id="another log's text under our key",
        ),
        pytest.param(
            sign_checkpoint(replace(CHECKPOINT, origin="log.example/other"), LOG),
            "bears no signature",
            id="our key under another name",
        ),
    ],
)
def test_a_checkpoint_that_is_not_the_logs_is_untrusted(note: bytes, said: str) -> None:
    with pytest.raises(Untrusted, match=said) as refusal:
        verify_checkpoint(note, ORIGIN, LOG.public)
    assert refusal.value.reason is Reason.BAD_CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        {"origin": ""},
        {"origin": "a b"},
        {"origin": "a+b"},
        {"origin": "a\nb"},
        {"size": -1},
        {"size": 2**63},
        {"size": 0},
        {"root": bytes(31)},
        {"root": EMPTY_ROOT},
        {"unix_ms": -1},
        {"unix_ms": 2**63},
    ],
    ids=str,
)
def test_a_wrong_checkpoint_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        replace(CHECKPOINT, **change)  # type: ignore[arg-type]
