"""How a document's case table is played: each rule broken once, the field named."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from federation.errors import Malformed, Reason


@dataclass(frozen=True)
class Broken:
    """A valid document with ``changes`` breaks a rule of ``field``, by default the one changed."""

    name: str
    valid: Any
    changes: dict[str, Any]
    field: str = ""

    @property
    def named(self) -> str:
        return self.field or next(iter(self.changes))


def refused(case: Broken) -> None:
    """Construction raises Malformed(INVALID_DOCUMENT) whose sentence begins with the field."""
    with pytest.raises(Malformed) as raised:
        replace(case.valid, **case.changes)
    assert raised.value.reason is Reason.INVALID_DOCUMENT
    assert raised.value.message.startswith(f"{case.named}: "), raised.value.message


def unbroken(valid: Any, cases: Iterable[Broken], free: Iterable[str] = ()) -> set[str]:
    """Return the fields of a document whose rule no case breaks, but for the ``free`` ones."""
    of_its_kind = [case for case in cases if type(case.valid) is type(valid)]
    broken = {name for case in of_its_kind for name in case.changes}
    return {field.name for field in fields(valid)} - broken - set(free)
