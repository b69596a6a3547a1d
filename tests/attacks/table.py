"""The attack table: every attack, by group.

Lives here: the order of groups. Must not know: how a case is played.
"""

from collections.abc import Mapping, Sequence

from attacks.answers import ANSWERS
from attacks.budget import BUDGET
from attacks.case import Attack
from attacks.charters import CHARTERS
from attacks.envelopes import ENVELOPES
from attacks.log import LOG
from attacks.masks import MASKS
from attacks.membership import MEMBERSHIP
from attacks.releases import RELEASES
from attacks.rosters import ROSTERS
from attacks.rounds import ROUNDS
from attacks.tls import TLS

TABLE: Mapping[str, Sequence[Attack]] = {
    "membership": MEMBERSHIP,
    "envelopes": ENVELOPES,
    "charters": CHARTERS,
    "rosters": ROSTERS,
    "rounds": ROUNDS,
    "answers": ANSWERS,
    "releases": RELEASES,
    "masks": MASKS,
    "budget": BUDGET,
    "tls": TLS,
    "log": LOG,
}
