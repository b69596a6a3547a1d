"""The administrators' signed permission for one run.

Lives here: the charter and its terms, with every bound that can be judged from the document alone.
Must not know: a node's policy, budgets, or who signed.
"""

from dataclasses import dataclass

from federation.documents import rules

KINDS = ("training", "statistics")
MAX_LENGTH = 1_000_000
MAX_ROUNDS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivacyTerms:
    """What a run may reveal of one worker's records in one city, and by which mechanism.

    ``epsilon``/``delta``: ceiling over the whole charter. ``sampling_rate``: Poisson, per round.
    ``clipping_norm``: L2 per worker. ``noise_multiplier``: standard deviation of the honest cities'
    summed noise in units of ``clipping_norm``. ``scale``: integer units per 1.0. The evaluation
    fields apply to the one evaluation round and are 0 in statistics charters.
    """

    epsilon: float
    delta: float
    sampling_rate: float
    clipping_norm: float
    noise_multiplier: float
    scale: int
    modulus_bits: int
    evaluation_noise_multiplier: float = 0.0
    evaluation_scale: int = 0

    def __post_init__(self) -> None:
        rules.check_positive("epsilon", self.epsilon, 100.0)
        rules.check_positive("delta", self.delta, 1e-3)
        rules.check_positive("sampling_rate", self.sampling_rate, 1.0)
        rules.check_positive("clipping_norm", self.clipping_norm, 1e6)
        rules.check_positive("noise_multiplier", self.noise_multiplier, 1e6)
        rules.check_range("scale", self.scale, 1, 2**48)
        rules.check_choice("modulus_bits", str(self.modulus_bits), ("32", "64"))
        rules.check_real("evaluation_noise_multiplier", self.evaluation_noise_multiplier, 0, 1e6)
        rules.check_range("evaluation_scale", self.evaluation_scale, 0, 2**24)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingTerms:
    """Which model is trained and the constants of its integer optimiser.

    ``momentum_q16``: momentum in 1/65536. ``step_numerator`` / 2^``step_shift``: step.
    ``parameter_bound``: largest |parameter| in fixed point; a sum that leads beyond it is refused.
    """

    model: str
    model_digest: bytes
    initial_parameters_digest: bytes
    momentum_q16: int
    step_numerator: int
    step_shift: int
    parameter_bound: int

    def __post_init__(self) -> None:
        rules.check_identifier("model", self.model)
        rules.check_digest("model_digest", self.model_digest)
        rules.check_digest("initial_parameters_digest", self.initial_parameters_digest)
        rules.check_range("momentum_q16", self.momentum_q16, 0, 65_535)
        rules.check_range("step_numerator", self.step_numerator, 1, 2**20)
        rules.check_range("step_shift", self.step_shift, 0, 62)
        rules.check_range("parameter_bound", self.parameter_bound, 1, 2**40)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsTerms:
    """Which indicator is summed and below which noised value a cell is suppressed."""

    indicator: str
    indicator_digest: bytes
    suppression_threshold: int

    def __post_init__(self) -> None:
        rules.check_identifier("indicator", self.indicator)
        rules.check_digest("indicator_digest", self.indicator_digest)
        rules.check_range("suppression_threshold", self.suppression_threshold, 0, 10**9)


@dataclass(frozen=True, kw_only=True, slots=True)
class Charter:
    """Permission for one run: purpose, kind, terms, bounds and window.

    ``nonce`` (16 bytes) tells equal charters apart. ``length``: integers in one contribution.
    ``max_repeats``: how many rounds may be repeated in all, each charged again.
    """

    federation: str
    nonce: bytes
    purpose: str
    kind: str
    length: int
    rounds: int
    max_repeats: int
    min_roster: int
    collusion_bound: int
    round_deadline_s: int
    not_before_ms: int
    not_after_ms: int
    taxonomy_digest: bytes
    privacy: PrivacyTerms
    training: TrainingTerms | None = None
    statistics: StatisticsTerms | None = None

    def __post_init__(self) -> None:
        rules.check_identifier("federation", self.federation)
        rules.check_bytes("nonce", self.nonce, 16)
        rules.check_text("purpose", self.purpose, 512)
        rules.check_choice("kind", self.kind, KINDS)
        rules.check_range("length", self.length, 1, MAX_LENGTH)
        rules.check_range("rounds", self.rounds, 1, MAX_ROUNDS)
        rules.check_range("max_repeats", self.max_repeats, 0, MAX_ROUNDS)
        rules.check_range("collusion_bound", self.collusion_bound, 1, 510)
        rules.check_range("min_roster", self.min_roster, self.collusion_bound + 2, 512)
        rules.check_range("round_deadline_s", self.round_deadline_s, 1, 86_400)
        rules.check_time("not_before_ms", self.not_before_ms)
        rules.check_time("not_after_ms", self.not_after_ms)
        rules.require(
            self.not_before_ms < self.not_after_ms, "not_after_ms", "must be after not_before_ms"
        )
        rules.check_digest("taxonomy_digest", self.taxonomy_digest)
        self._check_terms()

    def _check_terms(self) -> None:
        training = self.kind == "training"
        rules.require((self.training is not None) == training, "training", "belongs to training")
        rules.require(
            (self.statistics is not None) != training, "statistics", "belongs to statistics"
        )
        evaluated = self.privacy.evaluation_noise_multiplier > 0
        rules.require(
            evaluated == training and (self.privacy.evaluation_scale > 0) == training,
            "evaluation_noise_multiplier",
            "is above 0 in a training charter, with its scale, and 0 in a statistics charter",
        )
        if not training:
            rules.check_range("rounds", self.rounds, 1, 1)
            rules.check_range("max_repeats", self.max_repeats, 0, 1)
            rules.require(self.privacy.sampling_rate == 1.0, "sampling_rate", "must be 1")
