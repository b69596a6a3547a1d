"""The search finds every spelling of a private value, and nothing that is not there."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.study.capture import Recorder, found_values, recorded, spellings

CANARY = "canary-张伟-0042-xyz"


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize(
    "spell",
    [bytes, lambda raw: raw.hex().encode(), lambda raw: raw.hex().upper().encode()],
    ids=["plain", "hex", "HEX"],
)
def test_a_value_is_found_wherever_it_stands(shift, encoding, spell):
    message = os.urandom(shift) + spell(CANARY.encode(encoding)) + os.urandom(40)
    assert found_values([os.urandom(100), message], [CANARY, "another-value-1"]) == {CANARY}


@given(prefix=st.binary(max_size=12), suffix=st.binary(max_size=12), url=st.booleans())
def test_a_value_inside_base64_is_found_at_any_alignment(prefix, suffix, url):
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    message = encode(prefix + CANARY.encode() + suffix)
    assert found_values([message], [CANARY]) == {CANARY}


def test_a_value_split_over_two_messages_or_changed_in_one_byte_is_not_found():
    raw = CANARY.encode()
    changed = raw[:-1] + bytes([raw[-1] ^ 1])
    assert found_values([raw[:9], raw[9:], changed], [CANARY]) == frozenset()


def test_too_short_values_are_refused_rather_than_found_by_chance():
    with pytest.raises(ValueError, match="too short"):
        found_values([b""], ["abc"])


def test_spellings_cover_four_writings_of_both_encodings():
    assert {CANARY.encode(), CANARY.encode("gb18030").hex().encode()} <= spellings(CANARY)


def test_a_recording_survives_a_cut_in_its_last_message(tmp_path):
    path = tmp_path / "wire.bin"
    record = Recorder(path)
    record(b"first")
    record(b"second")
    record.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    assert list(recorded(path)) == [b"first"]


def test_three_characters_are_found_where_they_are_long_enough():
    """Nine bytes in UTF-8; the six of GB18030 would be met by chance and are looked for in hex."""
    name = "张伟丽"
    assert found_values([b"." + name.encode() + b"."], [name]) == {name}
    assert found_values([name.encode("gb18030").hex().encode()], [name]) == {name}
    assert found_values([name.encode("gb18030")], [name]) == frozenset()


def test_values_that_begin_alike_are_told_apart():
    values = [f"W4403000000{n:02d}" for n in range(50)]
    assert found_values([b"..W440300000017..", b"W44030000000"], values) == {"W440300000017"}
