"""Frozen distributions of scipy.stats as domains, so that param_distributions of a RandomizedSearchCV work as they are.

Exact for uniform, loguniform, randint and beta. Every range here is finite: a normal one is cut at four standard
deviations, an exponential one at its 99.9 % point (and told by the beta distribution next to it). What a domain can't
say is refused with the range to type instead: a search learns where to look, so that bounds and a scale serve it
better than a shape.
"""

from __future__ import annotations

import math
from typing import Any

from trimtab.errors import SpaceError
from trimtab.space import Const, Float, Int

REACH = 4.0  # standard deviations of a normal prior that its range holds: all but 1 draw in 16,000
EXPON = 6.2  # of the beta(1, b) nearest to an exponential cut at 99.9 %: at most 0.021 off in probability


def is_distribution(value: Any) -> bool:
    """Something to draw from, as scikit-learn's searches take it."""
    return hasattr(value, "rvs")


def domain_of(distribution: Any, name: str) -> Any:
    """The domain that a distribution describes; SpaceError, with the mend, where there is none."""
    family = getattr(getattr(distribution, "dist", None), "name", None)
    if family is None or not hasattr(distribution, "ppf"):
        raise SpaceError(
            f"{name}: {distribution!r} can only be drawn from, and a search needs to know the range. "
            f'Give it: "{name}": tt.Float(low, high).'
        )
    shapes, loc, scale = distribution.dist._parse_args(*distribution.args, **distribution.kwds)
    make = _FAMILIES.get(family)
    domain = make(shapes, float(loc), float(scale)) if make else None
    if domain is None:
        raise SpaceError(
            f"{name}: {family} of scipy.stats has no counterpart here, because every range is finite. "
            f'Give the range: "{name}": {_range(distribution)}.'
        )
    return domain


def _uniform(shapes: Any, loc: float, scale: float) -> Any:
    return Float(loc, loc + scale)


def _loguniform(shapes: Any, loc: float, scale: float) -> Any:
    low, high = shapes
    return Float(low * scale, high * scale, log=True) if loc == 0 else None  # shifted, it is no log scale


def _randint(shapes: Any, loc: float, scale: float) -> Any:
    low, last = int(shapes[0] + loc), int(shapes[1] + loc) - 1  # randint leaves its upper end out
    return Int(low, last) if low < last else Const(low)


def _norm(shapes: Any, loc: float, scale: float) -> Any:
    return Float(loc - REACH * scale, loc + REACH * scale, prior={"normal": (loc, scale)})


def _truncnorm(shapes: Any, loc: float, scale: float) -> Any:
    low, high = max(shapes[0], -REACH), min(shapes[1], REACH)
    return Float(loc + low * scale, loc + high * scale, prior={"normal": (loc, scale)})


def _lognorm(shapes: Any, loc: float, scale: float) -> Any:
    if loc:
        return None
    (s,) = (float(s) for s in shapes)
    low, high = scale * math.exp(-REACH * s), scale * math.exp(REACH * s)
    return Float(low, high, log=True, prior={"normal": (scale, s / math.log(10))})  # sd in powers of ten


def _halfnorm(shapes: Any, loc: float, scale: float) -> Any:
    return Float(loc, loc + REACH * scale, prior={"normal": (loc, scale)})


def _expon(shapes: Any, loc: float, scale: float) -> Any:
    reach = -math.log(0.001)
    return Float(loc, loc + reach * scale, prior={"beta": (1.0, EXPON)})


def _beta(shapes: Any, loc: float, scale: float) -> Any:
    a, b = shapes
    return Float(loc, loc + scale, prior={"beta": (float(a), float(b))})


_FAMILIES = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "reciprocal": _loguniform,
    "randint": _randint,
    "norm": _norm,
    "halfnorm": _halfnorm,
    "expon": _expon,
    "truncnorm": _truncnorm,
    "lognorm": _lognorm,
    "beta": _beta,
}


def _range(distribution: Any) -> str:
    """The middle 98 % of a distribution, as it would be typed."""
    low, high = (float(distribution.ppf(p)) for p in (0.01, 0.99))
    if not hasattr(distribution.dist, "pdf"):  # a discrete one
        return f"tt.Int({math.floor(low)}, {math.ceil(high)})"
    log = ", log=True" if low > 0 else ""
    return f"tt.Float({low:.2g}, {high:.2g}{log})"
