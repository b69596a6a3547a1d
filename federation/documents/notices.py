"""What a city makes known by itself: which charters its policy lets it take part in.

Lives here: the policy notice. Must not know: how a policy is kept or applied, or anything that
depends on a record.
"""

from dataclasses import dataclass

from federation.documents import rules
from federation.documents.charter import KINDS

MODES = ("ask", "auto", "refuse")
MAX_EPSILON = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class KindNotice:
    """What a city does with charters of one kind.

    ``mode``: it decides by its rules, asks a person, or takes no part; ``max_epsilon``: the most
    that one charter may cost a worker; ``min_roster``: the fewest cities it takes part with.
    """

    kind: str
    mode: str
    max_epsilon: float
    min_roster: int

    def __post_init__(self) -> None:
        rules.check_choice("kind", self.kind, KINDS)
        rules.check_choice("mode", self.mode, MODES)
        rules.check_positive("max_epsilon", self.max_epsilon, MAX_EPSILON)
        rules.check_range("min_roster", self.min_roster, 3, 512)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyNotice:
    """A city's policy in a few words, for those who draft charters; it binds nobody.

    ``version`` grows with every notice of the city; ``epsilon`` and ``delta``: its budget per
    worker and calendar year. A kind that is left out is not taken part in.
    """

    federation: str
    city: str
    version: int
    epsilon: float
    delta: float
    kinds: tuple[KindNotice, ...]
    issued_ms: int

    def __post_init__(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_division("city", self.city)
        rules.check_range("version", self.version, 1, rules.MAX_VERSION)
        rules.check_positive("epsilon", self.epsilon, MAX_EPSILON)
        rules.check_positive("delta", self.delta, 1e-3)
        rules.check_count("kinds", self.kinds, 0, len(KINDS))
        rules.check_ascending("kinds", [notice.kind for notice in self.kinds])
        rules.check_time("issued_ms", self.issued_ms)
