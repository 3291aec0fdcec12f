"""A colour and a dash for every optimizer, from its name alone: the same in every figure of every report.

Idea    A hue says whose it is (trimtab's own are blues), shade and dash which one. All are of middle lightness, so that
        they stand out from a white page and from a dark one.
"""

from __future__ import annotations

from hashlib import blake2b

BASELINE = "#8a8f98"  # random search, whoever draws
OURS = {
    "gp": "#2f6fed", "tpe": "#12a5c4", "auto": "#6a5cf0", "sobol": "#4aa3ff", "halton": "#0b8fb0", "latin": "#8c9bff",
    "asha": "#1f8fe0", "halving": "#5b7cfa", "median": "#13b0a5", "grid": "#7aa7d9",
}  # fmt: skip
PEERS = {
    "optuna-tpe": "#f29d35", "optuna-tpe-univariate": "#c98c2a", "optuna-gp": "#e8710a", "optuna-cmaes": "#d1531b",
    "optuna-nsgaii": "#b8651b", "smac-bb": "#2e9e4f", "smac-hpo": "#5fbf63", "smac-mf": "#17803d", "hebo": "#d43f8d",
    "nevergrad": "#9a9a1f", "hyperopt": "#b5533c", "syne-cqr": "#9a4fd3", "syne-bore": "#b77be6",
    "syne-asha": "#7d3cb5", "syne-bohb": "#c58bd6", "dehb": "#e0525f", "ax": "#c49a06", "botorch": "#a88a1a",
    "vizier": "#3fa07f",
}  # fmt: skip
OTHERS = ("#a3685a", "#7f8f3a", "#b0607f", "#5f9a86", "#c07a4a", "#94709f")  # packages and methods not known here
DASHES = ("dash", "dot", "dashdot", "longdash")


def colour(method: str) -> str:
    """As "#rrggbb".

    >>> colour("gp"), colour("gp") == colour("gp(candidates=9)")
    ('#2f6fed', True)
    """
    if _baseline(method):
        return BASELINE
    name = method.partition("(")[0].partition(" on ")[0]
    first = name.partition("+")[0]
    return PEERS.get(name) or OURS.get(first) or OTHERS[_pick(name, len(OTHERS))]


def dash(method: str) -> str:
    """Tells apart those that share a colour: settings, searchers behind a scheduler, the baseline."""
    name, settings, _ = method.partition("(")
    second = name.partition("+")[2]
    if _baseline(method):
        return "dot" if method == "random" else "dashdot"
    if settings:
        return DASHES[_pick(method, len(DASHES))]
    return {"": "solid", "tpe": "solid", "random": "dash", "gp": "dot"}.get(second, "dashdot")


def clear(shade: str, alpha: float) -> str:
    """The colour as one that lets others through.

    >>> clear("#ff0080", 0.5)
    'rgba(255,0,128,0.5)'
    """
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def ours(method: str) -> bool:
    """Whether it is one of trimtab's own, as far as its name tells."""
    first = method.partition("(")[0].partition(" on ")[0].partition("+")[0]
    return first in OURS or first == "random"


def _baseline(method: str) -> bool:
    return "random" in method and "+" not in method


def _pick(word: str, n: int) -> int:
    """A number below n that depends on the word alone."""
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % n
