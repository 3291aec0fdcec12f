"""Define by run: a name asked for in the middle of an objective.

A known name gets the proposed value if its domain still has it; any other is drawn from the domain's prior with a
generator keyed by the trial's seed and the name, so a retry after kill -9 sees the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab._random import rng_for
from trimtab.errors import ReportError
from trimtab.log import JSON
from trimtab.protocol import Run


def fits(config: Mapping[str, Any], name: str, domain: Any) -> None:
    """Of a configuration that was given to be run as it is: refuse to draw another value for one outside."""
    from trimtab.space import Space

    if name in config:
        Space({name: domain}).check({name: config[name]})


def late(run: Run, name: str, domain: Any, asked: dict[str, list[JSON]], news: dict[str, list[JSON]]) -> Any:
    """The value of `name` in this run. `asked` remembers all names, `news` those no event has carried yet."""
    from trimtab.space import Space

    space = Space({name: domain})
    told = space.to_json()
    if name in asked:
        if asked[name][1] != told:
            raise ReportError(
                f"{name!r} was asked for twice in trial {run.trial}, with different domains. "
                "Give the second one a name of its own."
            )
        label = asked[name][0]
    else:
        if name in run.config and space.inside({name: run.config[name]}):
            label = space.check({name: run.config[name]})[name]
        else:
            label = space.sample_config(rng_for(run.seed, "late", name))[name]
        asked[name] = news[name] = [label, told]
    return space.resolve({name: label})[name]
