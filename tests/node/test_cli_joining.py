"""Making a home and joining a federation from the command line, over real TLS."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.exchange import RunningExchange, running_exchange
from support.office import Office, sentence, typed

from federation.errors import Reason
from federation.exchange.invitation import Invitation

CITY, OTHER = "440300", "441900"
CITIES = (OTHER, "330100", "340100")
Scenario = Callable[[RunningExchange, Path], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def staged() -> None:
        async with running_exchange(folder, *CITIES) as exchange:
            invitation = folder / "invitation.json"
            invitation.write_text(exchange.invitation(CITY).to_json(), encoding="utf-8")
            await scenario(exchange, invitation)

    asyncio.run(asyncio.wait_for(staged(), 60))


def fingerprint_in(output: str) -> str:
    line = next(line for line in output.splitlines() if "fingerprint" in line)
    return line.partition(": ")[2].strip()


def test_a_city_makes_a_home_asks_is_approved_and_is_enrolled(tmp_path: Path) -> None:
    home = tmp_path / "city"
    made = typed("init", "--home", str(home), "--division", CITY, "--name", "深圳市")
    assert made.exit_code == 0
    assert "labor-node enrol" in made.stdout

    async def scenario(exchange: RunningExchange, invitation: Path) -> None:
        def enrol(*more: str) -> str:
            result = typed("enrol", str(invitation), "--home", str(home), *more)
            assert result.exit_code == 0, result.output
            return result.stdout

        first = await asyncio.to_thread(enrol, "--no-wait")
        assert "awaits the administrators" in first
        assert fingerprint_in(first) == fingerprint_in(made.stdout)
        assert await asyncio.to_thread(enrol, "--no-wait") == first
        assert len(exchange.invitations.asking()) == 1
        assert not (home / "certificate.pem").exists()

        exchange.approve(fingerprint_in(first))
        assert "is a member of demo" in await asyncio.to_thread(enrol)
        assert "certificate until" in typed("status", "--home", str(home)).stdout
        again = await asyncio.to_thread(
            typed, "enrol", str(invitation), "--home", str(home), "--no-wait"
        )
        assert Reason.ALREADY_ENROLLED in sentence(again)

    play(tmp_path, scenario)


def altered(text: str, **changes: str | int) -> str:
    return replace(Invitation.from_json(text), **changes).to_json()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(
            lambda text: altered(text, division=OTHER), Reason.BAD_INVITATION, id="another city's"
        ),
        pytest.param(lambda text: altered(text, expires_ms=1), Reason.EXPIRED, id="expired"),
        pytest.param(
            lambda text: altered(text, code="a" * 32), Reason.BAD_INVITATION, id="unknown code"
        ),
        pytest.param(
            lambda text: altered(text, server_name="other.example"),
            Reason.UNREACHABLE,
            id="a server of another name",
        ),
        pytest.param(
            lambda text: altered(text, address="127.0.0.1:1"), Reason.UNREACHABLE, id="no server"
        ),
        pytest.param(lambda text: text[:200], Reason.BAD_INVITATION, id="truncated"),
        pytest.param(lambda _text: "[]", Reason.BAD_INVITATION, id="no invitation"),
    ],
)
def test_a_bad_invitation_is_refused_and_leaves_nothing(
    tmp_path: Path, damage: Callable[[str], str], reason: Reason
) -> None:
    office = Office(tmp_path / "city", CITY)

    async def scenario(exchange: RunningExchange, invitation: Path) -> None:
        invitation.write_text(damage(invitation.read_text(encoding="utf-8")), encoding="utf-8")
        before = files(office.home.path)
        said = await asyncio.to_thread(office.refused, "enrol", str(invitation), "--no-wait")
        assert f"[{reason}]" in said
        assert files(office.home.path) == before
        assert exchange.invitations.asking() == []

    play(tmp_path, scenario)


def test_a_missing_invitation_is_named(tmp_path: Path) -> None:
    said = Office(tmp_path / "city").refused("enrol", str(tmp_path / "nowhere.json"))
    assert "nowhere.json cannot be read" in said


def test_a_second_home_is_not_made_over_the_first(tmp_path: Path) -> None:
    office = Office(tmp_path / "city")
    before = files(office.home.path)
    said = office.refused("init", "--division", CITY, "--name", "x")
    assert f"[{Reason.CONFIGURATION}]" in said
    assert files(office.home.path) == before


@pytest.mark.parametrize(
    ("division", "name", "named"),
    [
        pytest.param("000000", "x", "division", id="unknown division"),
        pytest.param(CITY, "", "name", id="no name"),
    ],
)
def test_a_wrong_city_leaves_no_folder(
    tmp_path: Path, division: str, name: str, named: str
) -> None:
    path = tmp_path / "city"
    result = typed("init", "--home", str(path), "--division", division, "--name", name)
    assert named in sentence(result)
    assert not path.exists()


def test_the_home_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path / "city")
    monkeypatch.setenv("LABORNODE_HOME", str(office.home.path))
    assert "上海市" in typed("status").stdout


def test_no_home_and_a_home_open_to_others_are_refused(tmp_path: Path) -> None:
    nothing = sentence(typed("status", "--home", str(tmp_path / "nothing")))
    assert "labor-node init" in nothing
    office = Office(tmp_path / "city")
    office.home.path.chmod(0o750)
    assert f"[{Reason.PERMISSIONS}]" in office.refused("status")


def test_serving_before_enrolment_is_refused(tmp_path: Path) -> None:
    assert f"[{Reason.NOT_APPROVED}]" in Office(tmp_path / "city").refused("serve")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
