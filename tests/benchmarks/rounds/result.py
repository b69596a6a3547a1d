"""What one system's run of rounds came to, whoever's it was.

Lives here: the figures that are compared and their JSON. Must not know: how they were taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.figures import Spread
from benchmarks.memory import Memory


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """One run of one system.

    ``seconds``: one to a round, from its beginning to the beginning of what follows it.
    ``first_round_s``: from submitting the job to the beginning of its first round; 0 where nothing
    is submitted. ``memory``: by moment (``idle``, ``run``), then by process.
    """

    system: str
    sites: int
    seconds: Sequence[float]
    first_round_s: float = 0.0
    memory: Mapping[str, Mapping[str, Memory]] = field(default_factory=dict)

    @property
    def spread(self) -> Spread:
        """Median and 90th percentile of a round."""
        return Spread.of(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Return every figure, plain."""
        spread = self.spread
        return {
            **asdict(self),
            "seconds": [round(s, 6) for s in self.seconds],
            "median_s": spread.median,
            "p90_s": spread.p90,
            "p90_over_median": spread.ratio,
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> "Rounds":
        """Return what :meth:`to_json` wrote."""
        return cls(
            system=read["system"],
            sites=read["sites"],
            seconds=list(read["seconds"]),
            first_round_s=read["first_round_s"],
            memory={
                moment: {name: Memory(**held) for name, held in processes.items()}
                for moment, processes in read["memory"].items()
            },
        )
