"""What becomes of trials that are under way, from their configurations and what their first checkpoints tell.

Idea    Trials that went to the end teach a model what the signs of a good one are: its configuration, its value at an
        early step, and the features of its checkpoint there. So the model sees all trials as they were at that step and
        nothing that came later. What no checkpoint tells counts as the mean, with an indicator.
Source  Mehta et al., Improving Hyperparameter Optimization with Checkpointed Model Weights, arXiv 2406.18630, 2024.
Cost    a fit of O(n³), n at most `most`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.history import State as Ended
from trimtab.parts.context import context_columns
from trimtab.parts.useful import useful
from trimtab.search.gp._features import Layout, gaps_of
from trimtab.search.gp._model import Data, Posterior, fit, prior_mode
from trimtab.search.gp._outputs import target

if TYPE_CHECKING:
    from trimtab.history import History

Floats = NDArray[np.float64]
FEWEST, STEPS = 5, 100  # finished trials from which something can be told; of a fit
SHARES = (0.25, 0.5)  # of `most`: the best, and the newest


def forecast(history: History, at: float, *, features: bool = True, most: int = 1000) -> tuple[Floats, Floats] | None:
    """Mean and deviation (n,) of each trial's last value as its configuration and its state at step `at` foretell it.

    In the units of the model: standardised, smaller is better. None: too few trials have finished.
    """
    y = history.Y[:, 0] if history.objectives else np.empty(0)
    taught = np.flatnonzero((history.state == Ended.FINISHED) & np.isfinite(y))
    if len(taught) < FEWEST:
        return None
    taught = taught[useful(y[taught], most, SHARES)]
    layout = Layout(history.space, gaps_of(history.space, history.X))
    columns, groups, used = [layout.features(history.X)], [layout.group], layout.groups
    for told in (_early(history, at), *([history.features(at).values] if features else [])):
        more, group = context_columns(told)
        columns.append(more)
        groups.append(used + group)
        used += len(set(group.tolist()))
    F = np.concatenate(columns, axis=1)
    aim = target(y[taught], np.zeros(len(taught)))
    data = Data(F[taught], np.concatenate(groups), aim.y, aim.noise)
    with one_thread():
        model = Posterior.of(fit(data, [prior_mode(data.groups)], STEPS), data)
        mean, variance = model.predict(F)
    return mean, np.sqrt(variance)


def _early(history: History, at: float) -> Floats:
    """(n, 1) the first value of each trial at or past the step; nan: none."""
    marks = history.at((at,))
    values = dict(zip(marks.trial.tolist(), marks.Y[:, 0].tolist(), strict=True))
    return np.array([[values.get(number, np.nan)] for number in history.numbers.tolist()]).reshape(-1, 1)
