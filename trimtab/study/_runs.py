"""What is noted of each run: what it is made with, and what its objective is made of; and how that differs from before.

One `noted` event a run. The environment's full text stands in the log once; a run names it by its short hash.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from contextlib import suppress
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
    with suppress(Exception):  # an objective that can't be looked at is no reason not to run it
        run |= {k: v for k, v in (("objective", _parts(objective, runner)), ("packages", packages(objective))) if v}
    if answers:
        run["answers"] = True
    ledger = study._log.ledger
    if words := differs(ledger, run):
        warn(f"{study.name}: {words}")
    body: dict[str, JSON] = {"run": run}
    if key not in ledger.environments:
        body["env"] = {key: told}
    study._log.write(Event("noted", body, at=time.time(), by=driver))
    return key


def differs(ledger: Ledger, run: Mapping[str, JSON]) -> str:
    """What has changed since the last run: the objective, or its packages. Nothing where no trial has a result yet."""
    ends = [row.number for row in ledger.rows if row.state in (State.FINISHED, State.STOPPED, State.PAUSED)]
    before = [told for _, _, told in ledger.runs if told.get("objective")]
    if not ends or not before or not run.get("objective"):
        return ""
    old = before[-1]
    versions = {**old.get("packages", {}), "Python": _python(ledger, old)}
    now = {**run.get("packages", {}), "Python": platform.python_version()}
    both = sorted(versions.keys() & now.keys())
    newer = [f"{n} {versions[n]} → {now[n]}" for n in both if versions[n] and versions[n] != now[n]]
    names = changed(old["objective"], run["objective"])
    if not names and not newer:
        return ""
    what = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    told = [f"the objective has changed since trial {ends[-1]}: {what}"] * bool(names)
    told += [f"other versions than up to trial {ends[-1]}: {', '.join(newer[:NAMED])}"] * bool(newer)
    return (
        f"{'; '.join(told)}. Old and new results would be mixed. "
        'Meant so? Then all is well. Else: another name, or if_exists="new".'
    )


def _python(ledger: Ledger, run: Mapping[str, JSON]) -> str:
    return str(ledger.environments.get(run.get("env", ""), {}).get("python", ""))


def _parts(objective: Any, runner: Any) -> dict[str, str]:
    if objective is not None:
        return parts_of(objective)
    command = getattr(runner, "command", None)
    return {} if command is None else program_parts(command, runner.base)
