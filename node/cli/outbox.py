"""What this city published, and how far each document is on its way into the log.

Must not know: how anything is sent.
"""

from federation.terminal import group, say, time_text
from node.cli.common import SHOWN_DIGITS, AsJson, HomeOption, opened, say_json
from node.store import outbox as store

outbox = group("What this city publishes.")


@outbox.command("list")
def outbox_list(home: HomeOption, as_json: AsJson = False) -> None:
    """Show what this city published: number, time, type, state, entry, digest.

    waiting: it is sent once the coordinator is reached. receipted: logged, says the coordinator.
    delivered: this node read it in the log. refused, lost: with the reason; nothing more is tried.
    """
    with opened(home) as office, office.store.read() as connection:
        found = store.items(connection)
    if as_json:
        say_json({"items": [_facts(item) for item in found]})
        return
    for item in found:
        place = "" if item.leaf_index is None else f"  entry {item.leaf_index}"
        say(
            f"{item.outbox_id:6}  {time_text(item.queued_ms)}"
            f"  {item.payload_type.removeprefix('laborfed/'):16}  {item.state:9}{place}"
            f"  {item.document_digest.hex()[:SHOWN_DIGITS]}"
        )
        if item.reason is not None:
            say(f"        {item.sentence} [{item.reason}]")
    if not found:
        say("nothing was published")


def _facts(item: store.Item) -> dict[str, object]:
    return {
        "number": item.outbox_id,
        "type": item.payload_type,
        "digest": item.document_digest.hex(),
        "queued_ms": item.queued_ms,
        "state": item.state,
        "leaf_index": item.leaf_index,
        "reason": item.reason,
        "sentence": item.sentence,
        "changed_ms": item.changed_ms,
    }
