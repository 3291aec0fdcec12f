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
    """The state of all starts. Memories are (s, MEMORY, d), newest last; what is not there yet is 0.

    solved  (s, MEMORY, MEMORY): the inverse of the upper half of S·Y
    curve   (s, MEMORY): its diagonal
    """

    def __init__(self, X: Floats, F: Floats, G: Floats, low: Floats, high: Floats, scale: Floats) -> None:
        s, d = X.shape
        self.X, self.F, self.G, self.low, self.high, self.scale = X.copy(), F.copy(), G.copy(), low, high, scale
        self.live = np.isfinite(F) & np.isfinite(G).all(axis=1)
        self.S, self.Y = np.zeros((s, MEMORY, d)), np.zeros((s, MEMORY, d))
        self.solved, self.curve = np.zeros((s, MEMORY, MEMORY)), np.zeros((s, MEMORY))
        self.depth = 0  # the most that any start remembers
        self.step, self.idle = np.ones(s), np.zeros(s, np.int64)
        self.P = np.zeros((s, d))
        self._aim(np.arange(s))

    def _at(self, rows: Ints) -> Ints | slice:
        """An index of these rows; of all of them a slice, which copies nothing."""
        return slice(None) if len(rows) == len(self.X) else rows

    def tried(self, rows: Ints) -> Floats:
        at = self._at(rows)
        moved: Floats = self.X[at] + self.step[at, None] * self.P[at]
        return np.minimum(np.maximum(moved, self.low), self.high)

    def take(self, rows: Ints, tried: Floats, F: Floats, G: Floats, tolerance: float) -> None:
        """Accept the steps that gain enough; shorten the others."""
        at = self._at(rows)
        moved = tried - self.X[at]
        promised = -_dots(self.G[at], moved)
        with np.errstate(invalid="ignore"):
            gained = self.F[at] - F
            good = (gained >= ENOUGH * promised) & (promised > 0) & np.isfinite(G).all(axis=1)
        self.live[at] &= promised >= tolerance
        if not good.all():
            bad = rows[~good]
            self.step[bad] *= SHRINK
            self.live[bad[self.step[bad] < SMALLEST]] = False
            rows, tried, F, G, moved, gained = rows[good], tried[good], F[good], G[good], moved[good], gained[good]
            if not len(rows):
                return
            at = rows
        self._remember(rows, moved, G - self.G[at])
        self.X[at], self.F[at], self.G[at] = tried, F, G
        idle = self.idle[at] = np.where(gained < tolerance, self.idle[at] + 1, 0)
        self.live[at] &= idle <= 1
        self._aim(rows)

    def _remember(self, rows: Ints, s: Floats, y: Floats) -> None:
        curve = _dots(s, y)
        sound = curve > 1e-10 * np.sqrt(_dots(s, s) * _dots(y, y))
        if not sound.all():
            rows, s, y, curve = rows[sound], s[sound], y[sound], curve[sound]
        at = self._at(rows)
        S, solved = self.S[at, 1:], self.solved[at, 1:, 1:]
        column = (solved @ (S @ y[:, :, None]))[:, :, 0]
        self.S[at, :-1], self.S[at, -1] = S, s
        self.Y[at, :-1], self.Y[at, -1] = self.Y[at, 1:], y
        self.curve[at, :-1], self.curve[at, -1] = self.curve[at, 1:], curve
        self.solved[at, :-1, :-1], self.solved[at, :-1, -1] = solved, -column / curve[:, None]
        self.solved[at, -1, -1] = 1.0 / curve
        self.depth = min(self.depth + 1, MEMORY)

    def _aim(self, rows: Ints) -> None:
        """The next direction, over the parameters that are not held by a bound."""
        at, scale = self._at(rows), self.scale
        X, G = self.X[at], self.G[at]
        free = ~(((self.low >= X) & (G > 0)) | ((self.high <= X) & (G < 0)))
        g = np.where(free, G, 0.0)
        p = np.where(free, -self._newton(at, g), 0.0) if self.depth else np.zeros(g.shape)
        uphill = _dots(p, g) >= 0
        first = uphill | (self.curve[at, -1] <= 0)
        if first.any():
            steep = -(g * scale**2)[first]
            reach = np.abs(steep / scale).max(axis=1, initial=0.0)
            p[first] = steep / np.maximum(reach, 1e-300)[:, None]  # at most one `scale`
        self.P[at], self.step[at] = p, 1.0
        self.live[at] &= p.any(axis=1)

    def _newton(self, at: Ints | slice, g: Floats) -> Floats:
        """The two loops of L-BFGS for all starts at once: each is a triangular system (Byrd, Nocedal & Schnabel,
        Mathematical Programming 63, 1994, theorem 2.2)."""
        k = self.depth
        S, Y, solved, curve = self.S[at, -k:], self.Y[at, -k:], self.solved[at, -k:, -k:], self.curve[at, -k:]
        a = solved @ (S @ g[:, :, None])
        q = g - (a.transpose(0, 2, 1) @ Y)[:, 0]
        newest = np.where(curve[:, -1:] > 0, Y[:, -1] * self.scale, 1.0)
        q *= self.scale**2 * (curve[:, -1] / _dots(newest, newest))[:, None]
        b = solved.transpose(0, 2, 1) @ (curve[:, :, None] * a - Y @ q[:, :, None])
        out: Floats = q + (b.transpose(0, 2, 1) @ S)[:, 0]
        return out


def _dots(A: Floats, B: Floats) -> Floats:
    out: Floats = np.einsum("ij,ij->i", A, B)
    return out
