"""The rules that fields share: what each lets pass and what it refuses."""

import math
from collections.abc import Callable

import pytest

from federation.documents import rules
from federation.errors import Malformed, Reason

Check = Callable[[], None]

PASSES: dict[str, Check] = {
    "bytes of the size": lambda: rules.check_bytes("f", b"abc", 3),
    "no bytes where optional": lambda: rules.check_bytes("f", b"", 3, optional=True),
    "digest": lambda: rules.check_digest("f", bytes(32)),
    "no digest where optional": lambda: rules.check_digest("f", b"", optional=True),
    "key": lambda: rules.check_key("f", bytes(32)),
    "identifier": lambda: rules.check_identifier("f", "a"),
    "identifier with every mark": lambda: rules.check_identifier("f", "0a._/-" + "z" * 58),
    "text": lambda: rules.check_text("f", "上海 data office"),
    "text of the limit": lambda: rules.check_text("f", "ab", 2),
    "no text where optional": lambda: rules.check_text("f", "", optional=True),
    "division": lambda: rules.check_division("f", "310000"),
    "lowest": lambda: rules.check_range("f", 1, 1, 2),
    "highest": lambda: rules.check_range("f", 2, 1, 2),
    "real at its bounds": lambda: rules.check_real("f", 0.0, 0.0, 0.0),
    "positive at its bound": lambda: rules.check_positive("f", 1.0, 1.0),
    "smallest positive": lambda: rules.check_positive("f", 5e-324, 1.0),
    "first millisecond": lambda: rules.check_time("f", 1),
    "last millisecond": lambda: rules.check_time("f", rules.MAX_TIME_MS),
    "choice": lambda: rules.check_choice("f", "b", ("a", "b")),
    "fewest": lambda: rules.check_count("f", (), 0, 1),
    "most": lambda: rules.check_count("f", (1,), 0, 1),
    "distinct": lambda: rules.check_distinct("f", (1, 2)),
    "ascending": lambda: rules.check_ascending("f", ("a", "b")),
    "nothing ascends": lambda: rules.check_ascending("f", ()),
}
REFUSED: dict[str, Check] = {
    "a byte more": lambda: rules.check_bytes("f", b"abcd", 3),
    "a byte less, though optional": lambda: rules.check_bytes("f", b"ab", 3, optional=True),
    "no bytes": lambda: rules.check_bytes("f", b"", 3),
    "short digest": lambda: rules.check_digest("f", bytes(31)),
    "long key": lambda: rules.check_key("f", bytes(33)),
    "no identifier": lambda: rules.check_identifier("f", ""),
    "long identifier": lambda: rules.check_identifier("f", "a" * 65),
    "upper case": lambda: rules.check_identifier("f", "Li"),
    "identifier that begins with a mark": lambda: rules.check_identifier("f", "-li"),
    "identifier with a line end": lambda: rules.check_identifier("f", "li\n"),
    "identifier in full-width digits": lambda: rules.check_identifier("f", "１２"),
    "no text": lambda: rules.check_text("f", ""),
    "text over the limit": lambda: rules.check_text("f", "abc", 2),
    "text with an escape": lambda: rules.check_text("f", "a\x1b[2J"),
    "text that turns its direction": lambda: rules.check_text("f", "a\u202eb"),
    "text with a line end, though optional": lambda: rules.check_text("f", "\n", optional=True),
    "half a surrogate pair": lambda: rules.check_text("f", "\ud800"),
    "five digits": lambda: rules.check_division("f", "31000"),
    "division that begins with 0": lambda: rules.check_division("f", "010000"),
    "division in Arabic-Indic digits": lambda: rules.check_division("f", "٣١٠٠٠٠"),
    "below": lambda: rules.check_range("f", 0, 1, 2),
    "above": lambda: rules.check_range("f", 3, 1, 2),
    "not a number": lambda: rules.check_real("f", math.nan, 0, 1),
    "infinite": lambda: rules.check_real("f", math.inf, 0, math.inf),
    "real below": lambda: rules.check_real("f", -0.1, 0, 1),
    "real above": lambda: rules.check_real("f", 1.1, 0, 1),
    "zero is not positive": lambda: rules.check_positive("f", 0.0, 1),
    "positive above": lambda: rules.check_positive("f", 1.1, 1),
    "positive not a number": lambda: rules.check_positive("f", math.nan, 1),
    "the epoch itself": lambda: rules.check_time("f", 0),
    "the year 10000": lambda: rules.check_time("f", rules.MAX_TIME_MS + 1),
    "no choice": lambda: rules.check_choice("f", "c", ("a", "b")),
    "too few": lambda: rules.check_count("f", (), 1, 2),
    "too many": lambda: rules.check_count("f", (1, 2, 3), 1, 2),
    "twice": lambda: rules.check_distinct("f", (1, 2, 1)),
    "descending": lambda: rules.check_ascending("f", ("b", "a")),
    "equal neighbours": lambda: rules.check_ascending("f", ("a", "a")),
}


@pytest.mark.parametrize("check", PASSES.values(), ids=PASSES)
def test_passes(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", REFUSED.values(), ids=REFUSED)
def test_refused_naming_the_field(check: Check) -> None:
    with pytest.raises(Malformed, match=r"^f: ") as raised:
        check()
    assert raised.value.reason is Reason.INVALID_DOCUMENT
