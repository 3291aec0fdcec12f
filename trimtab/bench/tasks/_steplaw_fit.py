"""A smooth model of Step Law's losses: two kriging fits, one for runs that converged and one for where runs diverge.

Idea    One fit to all runs would smear the cliff at high learning rates into the valley beside it. So log(loss - 2) of
        the runs that converged is one Gaussian process over log N, log D, log lr and log bs; the labels "diverged" are
        another; and between them the loss goes from the first's prediction to that of a diverged run.
Error   A tenth of the runs left out: median absolute error 0.0024 of the loss of converged runs, 0.102 in the mean over
        all runs (that is the cliff), rank correlation within a size of model and data 0.989. A whole size left out:
        0.0049, 0.117 and 0.986. As printed by `pytest -s tests/bench/test_tasks_steplaw.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIVERGED = 3.5  # no run of the table ends between 3.2 and 4.1
HEIGHT = 6.7  # where diverged runs end: their median
FLOOR = 2.0  # below every loss of the table; log(loss - 2) is what powers of the sizes make straight
CLIFF = (0.3, 0.7)  # of the predicted label, between which the loss climbs

# Fitted by maximum likelihood to 500 runs, then rounded; in units of each parameter's range.
SMOOTH = np.array([6.0, 3.4, 1.1, 1.9])
SMOOTH_SCALE, SMOOTH_NOISE = 3.7, 4e-4
EDGE = np.array([2.0, 1.0, 0.2, 0.6])
EDGE_NOISE = 0.1


def _matern(A: Floats, B: Floats, lengths: Floats, rough: bool) -> Floats:
    """(n, m): Matérn of 3/2 where rough, else of 5/2."""
    A, B = A / lengths, B / lengths
    squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * (A @ B.T)
    r = np.sqrt(np.maximum(squares, 0.0) * (3 if rough else 5))
    part: Floats = (1 + r if rough else 1 + r + r * r / 3) * np.exp(-r)
    return part


@dataclass(frozen=True, eq=False)
class Fit:
    """Predicts the loss at rows (N, D, lr, bs)."""

    low: Floats
    high: Floats
    converged: Floats  # (n, 4), scaled
    mean: float
    weights: Floats
    runs: Floats  # (m, 4), scaled
    labels: Floats

    def predict(self, rows: Any) -> Floats:
        """(k,) of rows (k, 4)."""
        Z = (np.log(np.asarray(rows, dtype=np.float64)) - self.low) / (self.high - self.low)
        log_gap = self.mean + SMOOTH_SCALE * _matern(Z, self.converged, SMOOTH, False) @ self.weights
        valley = FLOOR + np.exp(log_gap)
        share = (_matern(Z, self.runs, EDGE, True) @ self.labels - CLIFF[0]) / (CLIFF[1] - CLIFF[0])
        share = np.clip(share, 0.0, 1.0)
        loss: Floats = valley + share**2 * (3 - 2 * share) * (HEIGHT - valley)
        return loss


def fit(rows: Floats, losses: Floats) -> Fit:
    """rows (n, 4): N, D, lr, bs; losses (n,)."""
    logs = np.log(rows)
    low, high = logs.min(axis=0), logs.max(axis=0)
    Z = (logs - low) / (high - low)
    well = losses < DIVERGED
    gaps = np.log(losses[well] - FLOOR)
    mean = float(gaps.mean())
    smooth = SMOOTH_SCALE * _matern(Z[well], Z[well], SMOOTH, False) + SMOOTH_NOISE * np.eye(int(well.sum()))
    edge = _matern(Z, Z, EDGE, True) + EDGE_NOISE * np.eye(len(Z))
    weights: Floats = np.linalg.solve(smooth, gaps - mean)  # type: ignore[assignment]
    labels: Floats = np.linalg.solve(edge, (~well).astype(np.float64))  # type: ignore[assignment]
    return Fit(low, high, Z[well], mean, weights, Z, labels)
