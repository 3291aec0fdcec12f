"""Minimising a smooth function in a box from several starts at once.

Idea    L-BFGS with projected steps, every start with a memory of its own, all of them evaluated in one call: for small
        models that costs hardly more than one start alone. A start that has arrived leaves the batch.
Source  Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.4 (two loops) and section 16.7 (projection);
        steps are accepted by Armijo's rule, section 3.1. Own work: the batch.
Cost    O(starts · d · memory) a step beside the function's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Function = Callable[[Floats, Ints], tuple[Floats, Floats]]  # X (s, d), of which starts -> values (s,), slopes (s, d)
MEMORY = 8
ENOUGH = 1e-4  # of the decrease that the slope promises (Armijo)
SHRINK = 0.3
SMALLEST = 1e-10  # of a step: below it a start has arrived


def descend(
    function: Function, X: Floats, low: Floats, high: Floats, *, scale: Floats, steps: int, tolerance: float
) -> tuple[Floats, Floats]:
    """Where `steps` evaluations lead from X (s, d), and the values (s,) there. Never worse than the start.

    scale      (d,) how far a parameter typically has to go: the first step goes at most so far
    tolerance  a start has arrived when a step is expected to gain less, or has gained less twice
    """
    X = np.minimum(np.maximum(X, low), high)
    F, G = function(X, np.arange(len(X)))
    runs = _Runs(X, F, G, low, high, scale)
    for _ in range(steps):
        live = np.flatnonzero(runs.live)
        if not len(live):
            break
        tried = runs.tried(live)
        values, slopes = function(tried, live)
        runs.take(live, tried, values, slopes, tolerance)
    return runs.X, runs.F


class _Runs:
    """The state of all starts. Memories are (MEMORY, s, d), newest last."""

    def __init__(self, X: Floats, F: Floats, G: Floats, low: Floats, high: Floats, scale: Floats) -> None:
        s, d = X.shape
        self.X, self.F, self.G, self.low, self.high, self.scale = X.copy(), F.copy(), G.copy(), low, high, scale
        self.live = np.isfinite(F) & np.isfinite(G).all(axis=1)
        self.S, self.Y = np.zeros((MEMORY, s, d)), np.zeros((MEMORY, s, d))
        self.rho = np.zeros((MEMORY, s))
        self.step, self.idle = np.ones(s), np.zeros(s, np.int64)
        self.P = np.zeros((s, d))
        self._aim(np.arange(s))

    def tried(self, rows: Ints) -> Floats:
        moved: Floats = self.X[rows] + self.step[rows, None] * self.P[rows]
        return np.minimum(np.maximum(moved, self.low), self.high)

    def take(self, rows: Ints, tried: Floats, F: Floats, G: Floats, tolerance: float) -> None:
        """Accept the steps that gain enough; shorten the others."""
        moved = tried - self.X[rows]
        promised = -(self.G[rows] * moved).sum(axis=1)
        with np.errstate(invalid="ignore"):
            gained = self.F[rows] - F
            good = (gained >= ENOUGH * promised) & (promised > 0) & np.isfinite(G).all(axis=1)
        bad = rows[~good]
        self.step[bad] *= SHRINK
        self.live[rows[promised < tolerance]] = False
        self.live[bad[self.step[bad] < SMALLEST]] = False
        rows, tried, F, G, moved, gained = rows[good], tried[good], F[good], G[good], moved[good], gained[good]
        if not len(rows):
            return
        self._remember(rows, moved, G - self.G[rows])
        self.X[rows], self.F[rows], self.G[rows] = tried, F, G
        self.idle[rows] = np.where(gained < tolerance, self.idle[rows] + 1, 0)
        self.live[rows[self.idle[rows] > 1]] = False
        self._aim(rows)

    def _remember(self, rows: Ints, s: Floats, y: Floats) -> None:
        curve = (s * y).sum(axis=1)
        sound = curve > 1e-10 * np.sqrt((s * s).sum(axis=1) * (y * y).sum(axis=1))
        at = rows[sound]
        for kept, new in ((self.S, s), (self.Y, y)):
            kept[:-1, at] = kept[1:, at]
            kept[-1, at] = new[sound]
        self.rho[:-1, at] = self.rho[1:, at]
        self.rho[-1, at] = 1.0 / curve[sound]

    def _aim(self, rows: Ints) -> None:
        """The next direction: the two loops of L-BFGS over the parameters that are not held by a bound."""
        X, G = self.X[rows], self.G[rows]
        free = ~(((self.low >= X) & (G > 0)) | ((self.high <= X) & (G < 0)))
        g = np.where(free, G, 0.0)
        q, S, Y, rho = g.copy(), self.S[:, rows], self.Y[:, rows], self.rho[:, rows]
        weights = np.zeros((MEMORY, len(rows)))
        for i in range(MEMORY - 1, -1, -1):
            weights[i] = rho[i] * (S[i] * q).sum(axis=1)
            q -= weights[i][:, None] * Y[i]
        newest = rho[-1] > 0
        size = np.where(newest, rho[-1] * ((Y[-1] * self.scale) ** 2).sum(axis=1), 1.0)
        q *= self.scale**2 / size[:, None]
        for i in range(MEMORY):
            q += S[i] * (weights[i] - rho[i] * (Y[i] * q).sum(axis=1))[:, None]
        p = np.where(free, -q, 0.0)
        uphill = (p * g).sum(axis=1) >= 0
        first = uphill | ~newest
        p[first] = -(g * self.scale**2)[first]
        reach = np.abs(p / self.scale).max(axis=1, initial=0.0)
        p[first] /= np.maximum(reach[first], 1e-300)[:, None]  # at most one `scale`
        self.P[rows], self.step[rows] = p, 1.0
        self.live[rows[reach == 0]] = False
