"""What the documents say of the program is what the program is: tables, commands, files."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from federation.acceptance.table import ROWS, STEPS, steps_of
from federation.cli import app as federation_app
from federation.coordinator import OWN_FILES
from federation.rounds.stages import NEXT
from federation.wire.limits import (
    EXCHANGE,
    FAULTS,
    HANDSHAKE_S,
    KIB,
    MIB,
    OTHERS,
    READ_S,
    REQUESTS_HANDLED_AT_ONCE,
    LimitSettings,
)
from node.cli import app as node_app

ROOT = Path(__file__).parent.parent
PROTOCOL = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/operating.md", "docs/flower.md")
}
PROGRAMS = {"labor-federation": federation_app, "labor-node": node_app}


def rows(text: str, columns: int) -> set[tuple[str, ...]]:
    found = (line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| "))
    return {tuple(cell.strip() for cell in row) for row in found if len(row) == columns}


def is_acceptance(row: tuple[str, ...]) -> bool:
    return row[2].startswith("1–")


def test_the_table_of_stages_is_the_programs() -> None:
    told = {
        (stage.value, outcome.replace("_", " "), following.replace("_", " "))
        for (stage, outcome), following in NEXT.items()
    }
    heads = {("Stage", "What came of it", "Next stage"), ("Document", "Signed by", "Steps")}
    assert {row for row in rows(PROTOCOL, 3) if not is_acceptance(row)} - heads == told


def test_the_table_of_acceptance_is_the_programs() -> None:
    told = {
        (
            kind.removeprefix("laborfed/").removesuffix("/v1"),
            row.role.value,
            "1–10" if len(steps_of(kind)) == len(STEPS) else "1–5, 9, 10",
        )
        for kind, row in ROWS.items()
    }
    assert {row for row in rows(PROTOCOL, 3) if is_acceptance(row)} == told


def test_the_numbered_steps_are_the_programs() -> None:
    told = re.findall(r"^(\d+)\. (\w+):", PROTOCOL, re.MULTILINE)
    assert [(int(number), name) for number, name in told] == list(STEPS.items())


def commands(text: str) -> set[str]:
    """Command lines in code, continued lines joined; text after ` #` is a remark."""
    joined = text.replace("\\\n", " ")
    code = re.findall(r"`((?:labor-federation|labor-node) [^`\n]*)`", joined)
    code += re.findall(r"^ {3,}((?:labor-federation|labor-node) .*)$", joined, re.MULTILINE)
    return {part.split(" #")[0].strip() for line in code for part in line.split(" · ")}


COMMANDS = sorted({(name, command) for name, text in TEXTS.items() for command in commands(text)})


def test_the_documents_show_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_every_command_shown_exists_with_its_options(name: str, line: str) -> None:
    program, *words = shlex.split(line.replace("…", "x"))
    command: click.Command = typer.main.get_command(PROGRAMS[program])
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"{name}: {line}"
        command = found
    options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    shown = {word.split("=")[0] for word in words if word.startswith("--")}
    assert shown <= options | {"--help"}, f"{name}: {line}"


def test_every_file_the_readme_names_exists() -> None:
    named = set(
        re.findall(r"`((?:tests|docs|deploy|federation|node)/[\w./-]+)`", TEXTS["README.md"])
    )
    named |= set(re.findall(r"\]\(([\w./]+\.md|NOTICE)\)", TEXTS["README.md"]))
    assert len(named) > 8
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def size(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // KIB} KiB"


def test_the_table_of_limits_is_the_programs() -> None:
    told = {
        (
            *(method, size(one.request_bytes), size(one.reply_bytes), str(one.at_once)),
            *(f"{one.rate.per_s:g}", str(one.rate.burst)),
        )
        for method, one in {**EXCHANGE, "others": OTHERS}.items()
    }
    head = ("Method", "Largest request", "Largest answer", "At once", "Calls a second")
    assert rows(TEXTS["docs/operating.md"], 6) - {(*head, "In a burst")} == told


def test_the_most_that_a_caller_makes_the_coordinator_hold_is_the_programs() -> None:
    bound = sum(
        one.at_once * (one.request_bytes + one.reply_bytes) for one in (*EXCHANGE.values(), OTHERS)
    )
    told = re.search(r"hold at most (\d+) MiB", TEXTS["docs/operating.md"])
    assert told is not None
    assert int(told[1]) - 1 < bound / MIB <= int(told[1])


def test_the_table_of_settings_is_the_programs() -> None:
    shown = {
        tuple(cell.strip("`") for cell in row[:4])
        for row in rows(TEXTS["docs/operating.md"], 5)
        if row[0] != "Setting"
    }
    properties = LimitSettings.model_json_schema()["properties"]
    told = {
        (name, *(f"{one[key]:g}" for key in ("minimum", "maximum")), str(one["default"]))
        for name, one in properties.items()
    }
    assert shown == told


def test_the_bounds_told_in_words_are_the_programs() -> None:
    text = " ".join(TEXTS["docs/operating.md"].split())
    assert (FAULTS.burst, 1 / FAULTS.per_s) == (30, 2)
    assert "Thirty calls that were refused" in text
    assert "let through every two seconds" in text
    assert f"handshake must be over in {HANDSHAKE_S} seconds" in text
    assert f"must have arrived in {READ_S:g}" in text
    assert REQUESTS_HANDLED_AT_ONCE == 4
    assert "handles four requests at a time" in text
    assert f"and {OWN_FILES} more" in text
