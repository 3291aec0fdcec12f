"""The searchers by name. A new one is a file and a line here, or an entry point in another package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab._registry import Registry, Row
from trimtab.protocol import Searcher

SEARCHERS: Mapping[str, str] = {
    "auto": "trimtab.search.auto:Auto",
    "random": "trimtab.search.random:RandomSearch",
    "grid": "trimtab.search.grid:Grid",
    "sobol": "trimtab.search.designs:Sobol",
    "halton": "trimtab.search.designs:Halton",
    "latin": "trimtab.search.designs:LatinHypercube",
    "tpe": "trimtab.search.tpe:TPE",
    "gp": "trimtab.search.gp:GP",
    "forest": "trimtab.search.forest:Forest",
    "cqr": "trimtab.search.cqr:CQR",
    "turbo": "trimtab.search.turbo:Turbo",
    "carbs": "trimtab.search.carbs:CARBS",
    "cmaes": "trimtab.search.cmaes:CMAES",
    "cem": "trimtab.search.cem:CEM",
    "de": "trimtab.search.de:DE",
    "hier-ucb": "trimtab.search.hier_ucb:HierUCB",
    "ga-roulette": "trimtab.search.ga:RouletteGA",
    "ga-tournament": "trimtab.search.ga:TournamentGA",
    "ga-elitist": "trimtab.search.ga:ElitistGA",
    "ga-truncation": "trimtab.search.ga:TruncationGA",
    "ga-mutation-only": "trimtab.search.ga:MutationGA",
    "ga-ageing": "trimtab.search.ga:AgeingGA",
    "vlga": "trimtab.search.ga.vlga:VLGA",
    "nsga2": "trimtab.search.nsga:NSGA2",
    "nsga3": "trimtab.search.nsga:NSGA3",
}
REGISTRY = Registry(kind="searcher", known=SEARCHERS, group="trimtab.searchers", verb="propose")


def searcher(method: str | Mapping[str, Any] | Searcher, **settings: Any) -> Searcher:
    """A searcher from its name (with settings), from a table {"method": name, …}, or the one given.

    >>> searcher("tpe", startup=20).name
    'tpe'
    """
    made: Searcher = REGISTRY.make(method, **settings)
    return made


def describe() -> list[Row]:
    """A row for every searcher: what `trimtab methods` prints."""
    return REGISTRY.describe()
