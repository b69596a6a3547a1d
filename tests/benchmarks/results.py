"""Everything one run of the benchmarks found, and its file.

Must not know: how figures are taken or shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.rates.pairs import Rate
from benchmarks.rounds.result import Rounds


@dataclass
class Results:
    """``rounds``: by repetition, each system at most once for a number of sites.

    ``load``: figures of other benchmarks as they wrote them, by name and group; may be empty.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    commands: list[str] = field(default_factory=list)
    rounds: list[list[Rounds]] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    load: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """Write all of it as JSON."""
        found = {
            **vars(self),
            "rounds": [[one.to_json() for one in repetition] for repetition in self.rounds],
            "rates": [rate.to_json() for rate in self.rates],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "Results":
        """Return what :meth:`write` wrote."""
        found = json.loads(file.read_text(encoding="utf-8"))
        repetitions = found.pop("rounds")
        rates = [Rate(**rate) for rate in found.pop("rates")]
        rounds = [[Rounds.from_json(one) for one in repetition] for repetition in repetitions]
        return cls(**found, rounds=rounds, rates=rates)
