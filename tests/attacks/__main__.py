"""Print the attack table, or write it into the threat model.

Lives here: how the table is told. Must not know: any attack.

    python -m attacks            attacker, attack, where it is stopped, reason
    python -m attacks --write    the same, into docs/threat-model.md
"""

import sys
from collections.abc import Iterator

from attacks.case import ROOT, Attack
from attacks.table import TABLE

DOCUMENT = ROOT / "docs/threat-model.md"
BEGIN, END = "<!-- the attack table -->", "<!-- end of the attack table -->"
HARMLESS = "let in, harmless"


def reason(attack: Attack) -> str:
    """Return the code that an attack is refused with."""
    return HARMLESS if attack.reason is None else attack.reason.value


def printed() -> Iterator[str]:
    """Yield the table's lines as a terminal shows them."""
    for group, attacks in TABLE.items():
        yield f"\n{group}"
        for attack in attacks:
            yield f"  {attack.by:<23}{attack.name}"
            yield f"{'':<25}{attack.guard.where} · {reason(attack)}"
    yield f"\n{sum(map(len, TABLE.values()))} attacks, each stopped by the line that is named"


def written() -> str:
    """Return the table as the threat model holds it."""
    lines = []
    for group, attacks in TABLE.items():
        lines += [f"### {group.capitalize()}", ""]
        lines += ["| Attack | By | Stopped in | Reason |", "|---|---|---|---|"]
        lines += [
            f"| {a.name} | {a.by} | `{a.guard.where}` | `{reason(a)}` |"
            if a.reason
            else f"| {a.name} | {a.by} | `{a.guard.where}` | {HARMLESS} |"
            for a in attacks
        ]
        lines.append("")
    return "\n".join(lines)


def rewritten(text: str) -> str:
    """Return the threat model with its table as the attacks are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{written()}\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Print the table, or write it."""
    if arguments == ["--write"]:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(rewritten(text), encoding="utf-8")
        return
    print("\n".join(printed()))


if __name__ == "__main__":
    main(sys.argv[1:])
