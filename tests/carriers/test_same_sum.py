"""The same conductor and the same participants give the same integers, whatever carries them.

Flower's stock deployment has a journey of its own, ``test_stock.py``.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from carriers import ground, memory, standing
from carriers.ground import CARRIED, Ground, Sums, of_kind
from federation.crypto.keys import digest


def test_every_round_left_a_sum_that_its_record_names(expected: Sums) -> None:
    training = {("training", number) for number in range(1, ground.TRAINING_ROUNDS + 1)}
    assert expected.keys() == training | {("statistics", 1)}
    assert all(named == digest(total) for named, total in expected.values())
    assert len({total for _, total in expected.values()}) == len(expected)


def test_fixed_noise_is_added_and_leaves_nothing_to_chance(
    founded: Ground, expected: Sums, tmp_path: Path
) -> None:
    again = founded.copy(tmp_path / "g")
    memory.run(again, "statistics")
    ((kept, total),) = again.sums().values()
    assert (kept, total) == expected["statistics", 1]
    exact = ground.exact_counts(founded.cities)
    assert len(total) == len(exact)
    assert total != exact


@pytest.mark.parametrize("kind", CARRIED)
def test_the_exchange_gives_the_same_sums(
    founded: Ground, expected: Sums, tmp_path: Path, kind: str
) -> None:
    place = founded.copy(tmp_path / "g")
    standing.by_exchange(place, kind)
    assert place.outcome(kind) == "released"
    assert place.sums() == of_kind(expected, kind)


def test_flowers_simulation_engine_gives_the_same_sums(
    founded: Ground, expected: Sums, tmp_path: Path
) -> None:
    place = founded.copy(tmp_path / "g")
    charters = [place.charters[kind].hex() for kind in CARRIED]
    command = (sys.executable, "-m", "carriers.simulated", place.folder, ",".join(place.cities))
    done = subprocess.run([*command, *charters], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.sums() == expected
