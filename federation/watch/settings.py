"""The two settings that both programs' configuration files share.

Lives here: what they may say. Must not know: whose file it is.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})")

LogLevel = Literal["debug", "info", "warning", "error"]


def _checked_metrics(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if text and (found is None or int(found[2]) >= 2**16):
        raise ValueError('must be host:port, as in "127.0.0.1:9464", or empty for none')
    return text


#: Where figures and readiness are told over HTTP, ``host:port``; empty: nowhere.
MetricsAddress = Annotated[str, AfterValidator(_checked_metrics)]
