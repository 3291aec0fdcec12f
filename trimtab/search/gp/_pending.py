"""Running trials as draws from the model, instead of at their predicted values.

Idea    What running trials will bring is not known, and the best place for the next one depends on it. So their values
        are drawn together, several times, and the acquisition is its mean over the draws: near a running trial little
        is left to gain in most of them, and a result better than all before counts as often as it is likely.
Source  Snoek, Larochelle & Adams, Practical Bayesian Optimization of Machine Learning Algorithms, NeurIPS 2012,
        section 3.3 (fantasies). Draws are mirrored, so that their mean is the prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trimtab.search.gp._mixture import Mixture
from trimtab.search.gp._surrogate import Surrogate

Floats = NDArray[np.float64]
PAIRS = 4  # of mirrored draws


def imagined(model: Surrogate, X: Floats, rng: Generator) -> Surrogate:
    """The beliefs with running configurations X (m, d), whose values are drawn."""
    believed = model.believing(X)
    if not len(X) or model.best is None:
        return believed
    z = rng.standard_normal((PAIRS, len(X)))
    z = np.concatenate([z, -z])
    befores, afters = _members(model), _members(believed)
    members = [each for before, after in zip(befores, afters, strict=True) for each in _drawn(before, after, z)]
    logs = model.logs if isinstance(model, Mixture) and model.logs is not None else np.zeros(1)
    logs = np.repeat(logs, len(z)) - np.log(len(z))
    told = model.told if isinstance(model, Mixture) else None
    return Mixture.over(believed, members, logs, told)


def _members(model: Surrogate) -> list[Surrogate]:
    return list(model.members) if isinstance(model, Mixture) else [model]


def _drawn(before: Surrogate, after: Surrogate, z: Floats) -> Iterator[Surrogate]:
    """The beliefs after each of the draws z (s, m); before, after: without the running rows, and believing in them.

    With y = prediction + Dz, where DDᵀ is the covariance of new values, C⁻¹(y - mean) grows by the new rows of the
    inverse factor times z.
    """
    model, n = after.objective, len(before.objective.alpha)
    features = model.S[n:] * model.lengths
    good = before.hopeful(features)
    for draw in z:
        told = replace(model, alpha=model.alpha + model.factor[n:].T @ draw)
        values = told.predict(features)[0][good]
        assert before.best is not None
        yield replace(after, objective=told, best=min([before.best, *values.tolist()]))
