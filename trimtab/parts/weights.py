"""What the weights of a network tell of how its training goes, in a few numbers that forget how its units are ordered.

Idea    Two networks that differ by the order of their hidden units are the same network. So of each tensor only what
        no order changes is told: moments, norms, ranks, and how far it has moved since the beginning and since the
        last look. A bad start or a rate that is too high shows in these after one epoch, before it shows in the loss.
Source  Mehta et al., Improving Hyperparameter Optimization with Checkpointed Model Weights, arXiv 2406.18630, 2024, who
        learn them with a network of its own; statistics in their place: Unterthiner et al., Predicting Neural Network
        Accuracy from Weights, arXiv 2002.11448, 2020.
Cost    O(weights): each is read some twenty times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ITERATIONS = 5  # of the power method, each two products with the matrix
NEAR = 0.01  # of its tensor's root mean square: a weight nearer to zero than that is as good as zero
MOST = 12  # tensors that are told one by one; of more, those of a kind are told together
LARGE = 1e30  # stands for what has overflowed
KINDS = {0: "scalars", 1: "vectors", 2: "matrices"}


def weight_features(
    state: Mapping[str, Any], first: Mapping[str, Any] | None = None, last: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Features of a network's weights, by name: "fc1.weight sd" …; for trial.save_checkpoint(features=…).

    state   tensors by name: model.state_dict(), or arrays of numpy, JAX, scikit-learn; mappings may be nested
    first   the same at the beginning; last: at the last checkpoint. With them it is told how far each tensor has moved

    Of a network with more than a dozen tensors vectors, matrices and kernels are told together, by mean and deviation,
    so networks of different depth have the same features.

    >>> {name: round(v, 3) for name, v in weight_features({"w": np.diag([3.0, 4.0])}).items()}["w norm"]
    4.0
    """
    begun, before = (dict(_flat(s)) if s is not None else {} for s in (first, last))
    told, kinds = dict[str, dict[str, float]](), dict[str, str]()
    for name, value in _flat(state):
        W = _array(value)
        if W is not None:
            told[name] = _told(W, _array(begun.get(name)), _array(before.get(name)))
            kinds[name] = KINDS.get(W.ndim, "kernels")
    if len(told) <= MOST:
        return {f"{name} {what}": value for name, one in told.items() for what, value in one.items()}
    out = {}
    for kind in sorted(set(kinds.values())):
        ones = [told[name] for name in told if kinds[name] == kind]
        for what in ones[0] | ones[-1]:
            values = np.array([one[what] for one in ones if what in one])
            out[f"{kind} {what}"] = float(values.mean())
            out[f"{kind} {what} spread"] = float(values.std())
    return out


def _flat(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in state.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _array(value: Any) -> Floats | None:
    """A tensor of numbers with a point; None: a counter or a mask, which is no weight, or nothing."""
    if hasattr(value, "detach"):  # of torch, which is not asked for here; numpy knows no bfloat16
        value = value.detach().cpu()
        value = value.double().numpy() if value.is_floating_point() else None
    W = np.asarray(value)
    if not np.issubdtype(W.dtype, np.floating) or not W.size:
        return None
    W = W.astype(np.float64)
    return W if np.isfinite(W.sum()) else np.nan_to_num(W, nan=LARGE, posinf=LARGE, neginf=-LARGE)


def _told(W: Floats, first: Floats | None, last: Floats | None) -> dict[str, float]:
    """What no order of rows and columns changes, but by rounding."""
    largest = max(float(W.max()), -float(W.min()))
    unit = largest or 1.0  # so that no square overflows
    V = W / unit
    mean, square = float(V.mean()), _square(V)
    rms = np.sqrt(square / V.size)
    out = {
        "mean": mean * unit,
        "sd": float(np.sqrt(_square(V - mean) / V.size)) * unit,
        "largest": largest,
        "zeros": float((np.abs(V) <= NEAR * rms).mean()),
    }
    if V.ndim >= 2:
        norm = _norm(V.reshape(len(V), -1))
        out |= {"norm": norm * unit, "rank": square / norm**2 if norm else 0.0}  # the stable rank: 1 where one is all
    for what, other in (("moved", first), ("step", last)):
        if other is not None and other.shape == W.shape:
            size, gap = np.sqrt(_square(other / unit)), np.sqrt(_square((W - other) / unit))
            out[what] = float(gap / size if size else gap * unit)
    return out


def _square(V: Floats) -> float:
    return float(np.vdot(V, V))


def _norm(W: Floats) -> float:
    """The largest singular value, from below, by the power method; it starts at the longest row, wherever that is."""
    v = W[int(np.argmax(np.einsum("ij,ij->i", W, W)))]
    norm = float(np.sqrt(v @ v))
    for _ in range(ITERATIONS):
        if not norm:
            return 0.0
        u = W @ (v / np.sqrt(v @ v))
        norm = float(np.sqrt(u @ u))
        v = W.T @ u
    return norm
