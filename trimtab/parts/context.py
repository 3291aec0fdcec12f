"""Features of checkpoints as columns for a model: few, of one size, and with nothing missing.

Features come by the hundred and most of them say the same, while a model with a length scale for each column learns one
of them from so many trials. So they are standardised and turned to their principal components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 16  # components
TOLD = 0.99  # of the variance, after which further ones are left out
FAR = 4.0  # standard deviations: what lies further off is put there
HUGE = 1e150  # whose square does not overflow
SIZE = 0.25  # standard deviation of the first component, in a model whose numbers range from 0 to 1


def context_columns(features: Floats) -> tuple[Floats, Ints]:
    """(n, p), nan: missing -> (n, q) and the length scale (q,) of each.

    They are components, which share one length scale, since they come in the order of their size: missing values are at
    the mean. Where some rows tell nothing, an indicator follows. A value is never further off than a few deviations, or
    one diverged network would push the others together.
    """
    known = ~np.isnan(features)
    told = known.any(axis=1)
    count = known.sum(axis=0)
    F = np.clip(features, -HUGE, HUGE)
    centre = _median(F)
    gap = np.where(known, F - centre, 0.0)
    size = 1.4826 * _median(np.where(known, np.abs(gap), np.nan))
    deviation = np.sqrt((gap**2).sum(axis=0) / np.maximum(count, 1))
    size = np.where(size > 0, size, deviation)
    used = size > 1e-12 * np.abs(centre)
    Z = np.clip(gap[:, used] / size[used], -FAR, FAR)
    Z = np.where(known[:, used], Z - (Z.sum(axis=0) / np.maximum(count[used], 1)), 0.0)
    columns = _components(Z)
    group = np.zeros(columns.shape[1], np.int64)
    if told.all() or not told.any():
        return columns, group
    return np.column_stack([columns, told.astype(np.float64)]), np.append(group, 1 if len(group) else 0)


def _median(F: Floats) -> Floats:
    """(p,) of what is known in each column; 0 where nothing is."""
    void = np.isnan(F).all(axis=0)
    found: Floats = np.nanmedian(np.where(void, 0.0, F), axis=0) if len(F) else np.zeros(F.shape[1])
    return found


def _components(Z: Floats) -> Floats:
    """(n, q) principal components, in units of the first."""
    if not Z.size:
        return np.empty((len(Z), 0))
    U, s, V = np.linalg.svd(Z, full_matrices=False)
    share = np.cumsum(s**2) / max(float((s**2).sum()), 1e-300)
    q = min(MOST, int(np.searchsorted(share, TOLD)) + 1, int((s > 1e-9 * s[0]).sum()) or 1)
    turned = np.where(V[np.arange(q), np.abs(V[:q]).argmax(axis=1)] < 0, -1.0, 1.0)  # a sign that is nobody's whim
    scores: Floats = U[:, :q] * s[:q] * turned
    return 0.5 + SIZE * scores / max(float(scores[:, 0].std()), 1e-300)
