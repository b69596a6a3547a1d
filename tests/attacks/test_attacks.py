"""Every attack of the table is stopped for its reason, and its honest twin is let through."""

from pathlib import Path

import pytest

from attacks.case import Act, Attack, Stage, outcome
from attacks.table import TABLE

ATTACKS = [attack for group in TABLE.values() for attack in group]
NAMED = [
    pytest.param(attack, id=f"{group}: {attack}")
    for group, attacks in TABLE.items()
    for attack in attacks
]
TWINS: dict[tuple[str, str], tuple[type[Stage], Act]] = {
    (a.stage.__name__, a.twin.__name__): (a.stage, a.twin) for a in ATTACKS
}


@pytest.mark.parametrize("attack", NAMED)
def test_stopped(attack: Attack, tmp_path: Path) -> None:
    with attack.stage(tmp_path) as stage:
        strike = attack.act(stage)
        before = stage.state
        attack.check(strike)
        # what is let in because it does no harm is answered, and the answer is kept
        assert attack.reason is None or stage.state == before


@pytest.mark.parametrize(
    ("stage", "twin"),
    [
        pytest.param(*pair, id=f"{twin.replace('_', ' ')} ({stage})")
        for (stage, twin), pair in TWINS.items()
    ],
)
def test_the_honest_twin_is_let_through(stage: type[Stage], twin: Act, tmp_path: Path) -> None:
    with stage(tmp_path) as played:
        strike = twin(played)
        before = played.state
        assert outcome(strike) == (None, "")
        assert played.state != before, "a state that cannot change shows nothing"
