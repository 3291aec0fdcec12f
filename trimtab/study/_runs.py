"""What is noted of each run: what it is made with, and what its objective is made of; and how that differs from before.

One `noted` event a run. The environment's full text stands in the log once; a run names it by its short hash.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trimtab.history import State
from trimtab.log import JSON, Event
from trimtab.study._objective import changed, parts_of, program_parts
from trimtab.study._say import warn

if TYPE_CHECKING:
    from trimtab.history import Ledger
    from trimtab.study._study import Study

NAMED = 5  # changed names that are told


def begin(study: Study, objective: Any, runner: Any, driver: str, *, answers: bool) -> str:
    """Note this run, after a warning if its objective is not what the trials so far were made with. Its environment."""
    from trimtab.run.environment import fingerprint, packages, short_hash

    told = fingerprint()
    key = short_hash(told)
    run: dict[str, JSON] = {"env": key, **{k: told[k] for k in ("host", "argv", "commit", "dirty") if k in told}}
    parts = _parts(objective, runner)
    if parts:
        run["objective"] = parts
    if callable(objective) and (known := packages(objective)):
        run["packages"] = known
    if answers:
        run["answers"] = True
    ledger = study._log.ledger
    if words := differs(ledger, parts):
        warn(f"{study.name}: {words}")
    body: dict[str, JSON] = {"run": run}
    if key not in ledger.environments:
        body["env"] = {key: told}
    study._log.write(Event("noted", body, at=time.time(), by=driver))
    return key


def differs(ledger: Ledger, parts: Mapping[str, str]) -> str:
    """What of the objective has changed since the last run that got anywhere; nothing where nothing has."""
    before = [(n, run["objective"]) for n, _, run in ledger.runs if run.get("objective")]
    ends = [row.number for row in ledger.rows if row.state in (State.FINISHED, State.STOPPED, State.PAUSED)]
    if not before or not parts or not ends:
        return ""
    names = changed(before[-1][1], parts)
    if not names:
        return ""
    what = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return (
        f"the objective has changed since trial {ends[-1]}: {what}. Old and new results would be mixed. "
        'Meant so? Then all is well. Else: another name, or if_exists="new".'
    )


def _parts(objective: Any, runner: Any) -> dict[str, str]:
    if objective is not None:
        return parts_of(objective)
    command = getattr(runner, "command", None)
    return {} if command is None else program_parts(command, runner.base)
