"""Makes the vectors that a second implementation is checked against, from fixed keys.

Lives here: what the makers share. The files they write are read by ``test_made.py``, which trusts
nothing of this folder; published vectors (RFC and others) lie beside them and are not made here.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1]


def plain(value: Any) -> Any:
    """Return a document's field as JSON has it: bytes in hexadecimal, documents as objects."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def text_of(vectors: dict[str, Any]) -> str:
    """Return the file's text, the same for the same vectors."""
    return json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"
