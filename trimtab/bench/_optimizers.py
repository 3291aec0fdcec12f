"""The optimizers of the table: every searcher and scheduler of trimtab's registries, and the peers.

Names   "tpe" is a searcher, "asha+tpe" a scheduler and a searcher, "tpe(startup=20)" one with other settings; peers
        have the names of peers/ ("optuna-tpe"). So a method that is registered is in the bench without a further word.
"""

from __future__ import annotations

import json
import re
from typing import Any

from trimtab.bench.optimizer import Optimizer
from trimtab.errors import TrimtabError, UnknownName
from trimtab.schedule._registry import REGISTRY as SCHEDULERS
from trimtab.search._registry import REGISTRY as SEARCHERS

ALL = frozenset({"objectives", "constraints", "conditions"})
PART = re.compile(r"(?P<name>[\w.-]+?)(\((?P<settings>.*)\))?")


def optimizer(name: str) -> Optimizer:
    """The optimizer that `name` spells.

    >>> optimizer("asha+tpe(startup=20)").settings["searcher"]
    {'method': 'tpe', 'startup': 20}
    """
    from trimtab.bench.peers import PEERS

    if name in PEERS:
        return PEERS[name]
    first, plus, second = name.partition("+")
    searcher = _part(second if plus else first, name)
    settings: dict[str, Any] = {"searcher": searcher}
    takes = ALL
    if plus:
        settings["scheduler"] = _part(first, name)
        takes = ALL | {"fidelity"}
        if settings["scheduler"]["method"] not in SCHEDULERS.names():
            raise UnknownName(settings["scheduler"]["method"], among=SCHEDULERS.names(), kind="scheduler")
    if searcher["method"] not in SEARCHERS.names():
        known = [*SEARCHERS.names(), *PEERS]
        raise UnknownName(searcher["method"], among=known, kind="optimizer")
    return Optimizer(name, "trimtab", takes, settings)


def optimizers() -> list[Optimizer]:
    """trimtab's searchers, each alone; its schedulers with the searcher they usually have; the peers."""
    from trimtab.bench.peers import PEERS

    ours = [name for name in SEARCHERS.names() if name != "grid"]
    paired = [f"{name}+{searcher}" for name in SCHEDULERS.names() if name != "full" for searcher in ("random", "tpe")]
    return [*map(optimizer, ours), *map(optimizer, paired), *PEERS.values()]


def revision(of: Optimizer) -> str:
    """What of an optimizer a result depends on besides its name: revisions of methods, or the version of a package."""
    if of.package != "trimtab":
        from trimtab.bench.envs import ENVS, installed
        from trimtab.bench.peers._table import MODULES

        module = MODULES[of.package]
        return installed(next(dist for dist, found in ENVS[of.env].packages.items() if found == module))
    made = [SEARCHERS.make(of.settings["searcher"])]
    if "scheduler" in of.settings:
        made.append(SCHEDULERS.make(_with_max(of.settings["scheduler"])))
    return ",".join(f"{method.name}.{method.revision}" for method in made)


def _with_max(table: dict[str, Any]) -> dict[str, Any]:
    """Schedulers need to know how far a trial goes; for its revision any number will do."""
    return {"max": 1, **table}


def _part(text: str, name: str) -> dict[str, Any]:
    """ "tpe(startup=20)" -> {"method": "tpe", "startup": 20}"""
    found = PART.fullmatch(text)
    if found is None:
        raise TrimtabError(f'{name!r} is no optimizer. Write "tpe", "tpe(startup=20)", "asha+tpe" or a peer\'s name.')
    settings: dict[str, Any] = {"method": found["name"]}
    for pair in filter(None, (found["settings"] or "").split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise TrimtabError(f"{name!r}: settings are name=value, separated by commas; {pair!r} is none.")
        try:
            settings[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[key.strip()] = value.strip()
    return settings
