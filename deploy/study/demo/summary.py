"""What a demonstration came to: the figures, whether everything holds, and its file.

Must not know: how a figure was found or how it is shown.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

RANKINGS: Final = ("keyword", "untrained", "alone", "federated", "pooled")
MISMATCHES: Final = ("keyword", "alone", "federated")

Interval = tuple[float, float]  # 95 %, bootstrap over workers


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of one demonstration.

    Rankings are named by :data:`RANKINGS`; ``…_minus_alone_interval``: difference of NDCG@10 in
    each city. ``epsilon``, ``delta``: per worker, of the released model; ``epsilon_of_year``: of
    all that was run. ``audit``: "ok" once every entry was re-derived. ``raw_fields_left``: distinct
    private values found in ``captured_bytes``, out of ``raw_fields_searched``. ``seconds``: of all
    of it.
    """

    cities: int
    workers: int
    rounds: int
    seconds_per_round: float
    epsilon: float
    delta: float
    epsilon_of_year: float
    ndcg_at_10: Mapping[str, float]
    ndcg_at_10_interval: Mapping[str, Interval]
    mismatch_rate: Mapping[str, float]
    mismatch_rate_interval: Mapping[str, Interval]
    pooled_minus_alone_interval: Mapping[str, Interval]
    federated_minus_alone_interval: Mapping[str, Interval]
    log_entries: int
    audit: str
    raw_fields_left: int
    raw_fields_searched: int
    captured_bytes: int
    seconds: float

    @property
    def faults(self) -> list[str]:
        """Sentences for whatever does not hold; empty when everything does."""
        found = []
        if self.audit != "ok":
            found.append("the audit of the log found problems")
        if self.raw_fields_left:
            found.append(f"{self.raw_fields_left} private values stand in the captured bytes")
        return found

    def write(self, path: Path) -> None:
        """Write the figures as one JSON object."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")
