"""Outside answers: a searcher that needs one (a language model's, a person's) waits for the `answered` event."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.history import Ledger
from trimtab.log import JSON, Event
from trimtab.protocol import Need
from trimtab.study._log import Log


def answered(log: Log, need: Need, answer: Callable[[Need], JSON] | None, now: float, me: str) -> None:
    """Get an outside answer and log it, or log that there is none. Holds no lock: it may take a minute."""
    body: dict[str, JSON] = {"key": need.key, "kind": need.kind}
    if answer is None:
        body["error"] = f"nobody here answers {need.kind!r} questions"
    else:
        try:
            body["answer"] = answer(need)
        except Exception as error:
            body["error"] = f"{type(error).__name__}: {error}"
    log.write(Event("answered", body, at=now, by=me))


def answered_elsewhere(ledger: Ledger, me: str) -> bool:
    """Whether a driver is at work that said at its start that it answers questions."""
    answers = {by for _, by, run in ledger.runs if run.get("answers")} - {me}
    return any(row.owner in answers for row in ledger.alive.values())
