"""Priors that the space declares: how much likelier its author thinks good values are here than there.

Idea    The acquisition gains the logarithm of the declared density, times `trust` over the number of trials: at first
        the search is where its author would look, and a prior that was wrong is soon outweighed. Far out the density is
        what it is at its outermost thousandth, so nothing is ruled out. What exists under a condition is left alone:
        its prior says where it is good, not whether its branch is.
Source  Hvarfner et al., πBO: Augmenting Acquisition Functions with User Beliefs for Bayesian Optimization, ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.space import Bool, Choice, Float, Int, Space

if TYPE_CHECKING:
    from trimtab.search.gp._features import Layout

Floats = NDArray[np.float64]
GRID = 513  # quantiles from which a density is made
LEAST = 1e-3  # of a choice's weights, beside the largest


@dataclass(frozen=True)
class Tilt:
    """weight   what logarithms of densities count for
    numbers  (feature, places (k,), log density there (k,)), between which it is straight
    labels   (first feature, log weight of each label (k,))
    """

    weight: float
    numbers: tuple[tuple[int, Floats, Floats], ...]
    labels: tuple[tuple[int, Floats], ...]

    def slopes(self, features: Floats) -> tuple[Floats, Floats]:
        """What the acquisition gains (m,), and by each feature (m, p)."""
        out, by = np.zeros(len(features)), np.zeros(features.shape)
        for j, places, logs in self.numbers:
            z = features[:, j]
            out += np.interp(z, places, logs)
            k = np.clip(np.searchsorted(places, z, side="right") - 1, 0, len(places) - 2)
            rise = (logs[k + 1] - logs[k]) / (places[k + 1] - places[k])
            by[:, j] = np.where((z >= places[0]) & (z <= places[-1]), rise, 0.0)
        for j, logs in self.labels:
            out += (features[:, j : j + len(logs)] > 0) @ logs
        return self.weight * out, self.weight * by


def tilt(layout: Layout, weight: float) -> Tilt | None:
    """None: the space declares no prior, or it has no weight."""
    numbers, labels = _declared(layout.space)
    if not weight > 0 or not (numbers or labels):
        return None
    at = layout.starts.tolist()
    return Tilt(
        weight,
        tuple((at[j], places, logs) for j, places, logs in numbers),
        tuple((at[j], logs) for j, logs in labels),
    )


@lru_cache(maxsize=16)
def _declared(space: Space) -> tuple[list[tuple[int, Floats, Floats]], list[tuple[int, Floats]]]:
    """By column: densities of numbers, and weights of choices."""
    numbers: list[tuple[int, Floats, Floats]] = []
    labels: list[tuple[int, Floats]] = []
    for name, place in space.slices.items():
        domain: Any = space.domains[name]
        if getattr(domain, "when", None) is not None:
            continue  # where it is inactive nobody has said how good that is
        if isinstance(domain, Float | Int) and domain.prior is not None:
            numbers.append((place.start, *_density(domain)))
        elif isinstance(domain, Choice | Bool) and domain.weights:
            weights = np.asarray(domain.weights, np.float64)
            logs = np.log(np.maximum(weights / weights.max(), LEAST))
            if isinstance(domain, Choice) and domain.ordered:
                numbers.append((place.start, (np.arange(len(logs)) + 0.5) / len(logs), logs))
            else:
                labels.append((place.start, logs))
    return numbers, labels


def _density(domain: Any) -> tuple[Floats, Floats]:
    """Where the quantiles lie between the bounds, and the logarithm of the density there, at most 0."""
    prior: Mapping[str, Any] = domain.prior
    whole = isinstance(domain, Int) and not domain.log
    if "beta" in prior:
        alike = Float(0, 1, prior=prior)
    else:
        low, high = float(domain.low) - 0.5 * whole, float(domain.high) + 0.5 * whole
        alike = Float(low, high, log=domain.log, prior=prior)
    u = np.linspace(0, 1, 2 * GRID + 1)[1:-1:2]
    places = Space({"x": alike}).from_unit(u[:, None])[:, 0]
    places = places[np.concatenate([[True], np.diff(places) > 1e-9])]
    if len(places) < 3:
        return np.array([0.0, 1.0]), np.zeros(2)
    gaps = np.diff(places)
    logs = -np.log(gaps)
    return 0.5 * (places[1:] + places[:-1]), logs - logs.max()
