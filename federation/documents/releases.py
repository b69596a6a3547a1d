"""Accepted results: model releases and statistics releases.

Lives here: what a run's outcome looks like. Must not know: how it was computed or voted on.
"""

from dataclasses import dataclass

from federation.documents import rules


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCard:
    """The facts signed with a model; the difference is candidate minus current NDCG@10, noised."""

    cities: tuple[str, ...]
    rounds: int
    attempts: int
    epsilon: float
    delta: float
    ndcg_difference: float
    ndcg_difference_half_width: float
    held_out_workers: float
    method: str

    def __post_init__(self) -> None:
        rules.check_count("cities", self.cities, 3, 512)
        rules.check_ascending("cities", self.cities)
        rules.check_range("rounds", self.rounds, 1, 1_000)
        rules.check_range("attempts", self.attempts, 1, 2_048)
        rules.check_positive("epsilon", self.epsilon, 100.0)
        rules.check_positive("delta", self.delta, 1e-3)
        rules.check_real("ndcg_difference", self.ndcg_difference, -1e9, 1e9)
        rules.check_real("ndcg_difference_half_width", self.ndcg_difference_half_width, 0, 1e9)
        rules.check_real("held_out_workers", self.held_out_workers, -1e12, 1e12)
        rules.check_text("method", self.method, 2_048)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRelease:
    """A model the roster's cities voted not worse; ``parameters`` are int64 little-endian."""

    federation: str
    version: int
    previous_digest: bytes
    charter_digest: bytes
    record_digest: bytes
    model: str
    model_digest: bytes
    taxonomy_digest: bytes
    parameters: bytes
    card: ModelCard
    votes: tuple[bytes, ...]
    released_ms: int

    def __post_init__(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_range("version", self.version, 1, rules.MAX_VERSION)
        rules.check_digest("previous_digest", self.previous_digest, optional=self.version == 1)
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_digest("record_digest", self.record_digest)
        rules.check_identifier("model", self.model)
        rules.check_digest("model_digest", self.model_digest)
        rules.check_digest("taxonomy_digest", self.taxonomy_digest)
        rules.require(
            self.parameters != b"" and len(self.parameters) % 8 == 0,
            "parameters",
            "must be whole int64 values",
        )
        rules.check_count("votes", self.votes, 2, 512)
        rules.check_distinct("votes", self.votes)
        rules.check_time("released_ms", self.released_ms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One noised figure with its 95 % half-width; both 0 where suppressed."""

    measure: str
    key: str
    value: float
    half_width: float
    suppressed: bool

    def __post_init__(self) -> None:
        rules.check_identifier("measure", self.measure)
        rules.check_text("key", self.key, 64)
        rules.check_real("value", self.value, -1e15, 1e15)
        rules.check_real("half_width", self.half_width, 0, 1e15)
        rules.require(
            not self.suppressed or (self.value == 0 and self.half_width == 0),
            "value",
            "must be 0 in a suppressed cell",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsRelease:
    """A table over the roster's cities, by secure sum, with noise, error bars and suppression."""

    federation: str
    charter_digest: bytes
    record_digest: bytes
    indicator: str
    indicator_digest: bytes
    cities: tuple[str, ...]
    epsilon: float
    delta: float
    noise_sd: float
    suppression_threshold: int
    cells: tuple[Cell, ...]
    method: str
    released_ms: int

    def __post_init__(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_digest("charter_digest", self.charter_digest)
        rules.check_digest("record_digest", self.record_digest)
        rules.check_identifier("indicator", self.indicator)
        rules.check_digest("indicator_digest", self.indicator_digest)
        rules.check_count("cities", self.cities, 3, 512)
        rules.check_ascending("cities", self.cities)
        rules.check_positive("epsilon", self.epsilon, 100.0)
        rules.check_positive("delta", self.delta, 1e-3)
        rules.check_positive("noise_sd", self.noise_sd, 1e12)
        rules.check_range("suppression_threshold", self.suppression_threshold, 0, 10**9)
        rules.check_count("cells", self.cells, 1, 100_000)
        rules.check_distinct("cells", [(c.measure, c.key) for c in self.cells])
        rules.check_text("method", self.method, 4_096)
        rules.check_time("released_ms", self.released_ms)
