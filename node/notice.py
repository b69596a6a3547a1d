"""This city's policy notice: its policy in the words that others may read.

Lives here: what of a policy is told. Must not know: records, how a notice is sent, or anything
that is not in the policy file.
"""

from federation.documents.notices import KindNotice, PolicyNotice
from node.policy import KindRules, Policy


def notice_of(
    policy: Policy, *, federation: str, city: str, version: int, now_ms: int
) -> PolicyNotice:
    """Return what is told of ``policy``; purposes and subjects it names stay the city's own."""
    kinds = {"statistics": policy.statistics, "training": policy.training}
    return PolicyNotice(
        federation=federation,
        city=city,
        version=version,
        epsilon=policy.budget.epsilon,
        delta=policy.budget.delta,
        kinds=tuple(_kind(kind, rules) for kind, rules in kinds.items()),
        issued_ms=now_ms,
    )


def _kind(kind: str, rules: KindRules) -> KindNotice:
    return KindNotice(
        kind=kind,
        mode=rules.mode.value,
        max_epsilon=rules.max_epsilon,
        min_roster=rules.min_roster,
    )
