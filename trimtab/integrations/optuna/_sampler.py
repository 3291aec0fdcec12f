"""A sampler for Optuna studies that asks a trimtab searcher.

Idea    All parameters that any trial has asked for are proposed together (the relative space is the union, not the
        intersection), so that conditional parameters are modelled too; a trial uses what it asks for. A name nobody
        has asked for before is drawn from its distribution.
Chance  is keyed by (seed, trial number, name), never by who draws when. So a study in one process is repeated exactly
        by its seed, also after a restart, and threads or processes that share a seed don't draw the same values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from trimtab._random import fresh_seed, rng_for
from trimtab.errors import Unsupported
from trimtab.integrations.optuna._domains import Dist
from trimtab.integrations.optuna._seen import Seen, domain_of
from trimtab.protocol import Ask, Need, Searcher
from trimtab.search import searcher as make
from trimtab.space import Space
from trimtab.study._define import check_fit

log = logging.getLogger(__name__)
KEPT = 8  # histories kept of one study: one, but for pruners that show each bracket its own trials


class Unfit(Unsupported, ValueError):
    """The searcher can't take this study; Optuna expects a ValueError then."""


class TrimtabSampler(BaseSampler):  # type: ignore[misc]
    """optuna.create_study(sampler=TrimtabSampler("tpe", seed=0)): any trimtab searcher under an Optuna study.

    searcher          a name ("auto", "tpe", "random", "sobol", …), a table {"method": …}, or an object such as tt.TPE()
    seed              None: drawn once. Processes that share a study may share it
    constraints_func  of a finished trial: numbers that are at or below 0 where it is feasible
    """

    def __init__(
        self,
        searcher: str | Searcher | dict[str, Any] = "auto",
        *,
        seed: int | None = None,
        constraints_func: Callable[[Any], Sequence[float]] | None = None,
    ) -> None:
        self.searcher: Searcher = make(searcher)
        if self.searcher.chooses:
            raise Unfit(f"{self.searcher.name} goes on with paused trials, which Optuna doesn't have. Use tt.Study.")
        self.seed = fresh_seed() if seed is None else seed
        self._constraints_func = constraints_func
        self._forget()

    def _forget(self) -> None:
        self._seen: WeakKeyDictionary[Any, dict[int, list[Seen]]] = WeakKeyDictionary()
        self._lock = RLock()  # n_jobs= shares this sampler among threads
        self._told = False

    def __getstate__(self) -> dict[str, Any]:
        """What is remembered of studies is read from them again."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_seen", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"TrimtabSampler({self.searcher!r}, seed={self.seed})"

    def reseed_rng(self) -> None:
        """Nothing to do: draws are keyed by the number of the trial, so no two trials share them."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        with self._lock:
            return {name: _distribution(d) for name, d in self._up_to_date(study, trial).space_of().items()}

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
        if not search_space:
            self._check(study, {})
            return {}
        with self._lock:
            seen = self._up_to_date(study, trial)
            config = self._propose(study, trial, seen, search_space)
            seen.start(trial.number, {k: v for k, v in config.items() if k in seen.hulls})
        return {
            name: search_space[name].to_external_repr(value) for name, value in config.items() if name in search_space
        }

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        self._check(study, {})
        dist = Dist.of(param_distribution)
        if dist.single:
            return dist.choices[0] if dist.kind == "choice" else dist.low
        rng = rng_for(self.seed, "late", trial.number, param_name)
        value = Space({"x": domain_of(dist)}).sample_config(rng)["x"]
        return param_distribution.to_external_repr(value)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Sequence[float] | None) -> None:
        if self._constraints_func is None or state.name not in ("COMPLETE", "PRUNED"):
            return
        told = [float(v) for v in self._constraints_func(trial)]
        if any(v != v for v in told):
            raise ValueError(f"constraints_func gave {told} for trial {trial.number}: a constraint can't be NaN.")
        study._storage.set_trial_system_attr(trial._trial_id, "constraints", told)

    # ── insides ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _up_to_date(self, study: Any, trial: Any) -> Seen:
        trials = study.get_trials(deepcopy=False)
        numbers = {t.number for t in trials}
        kept = self._seen.setdefault(study._storage, {}).setdefault(study._study_id, [])
        seen = next((s for s in kept if s.belongs(numbers)), None)
        if seen is None:
            seen = Seen(["min" if d.name == "MINIMIZE" else "max" for d in study.directions], self.seed)
            kept.append(seen)
            del kept[:-KEPT]
        seen.update(trials, trial.number)
        return seen

    def _propose(self, study: Any, trial: Any, seen: Seen, wanted: dict[str, Any]) -> dict[str, Any]:
        """A configuration as the history keeps it; a random one where the searcher has nothing more to propose."""
        asked = {name: Dist.of(d) for name, d in wanted.items()}
        known = seen.space_of()
        if not asked.keys() <= known.keys():  # a space given by hand, before any trial had it
            for name, dist in asked.items():
                seen.hulls.setdefault(name, dist)
            seen._define()
        history = seen.history
        assert history is not None
        self._check(study, seen.domains(), history.definitions[-1]["metrics"])
        proposals = self.searcher.propose(history, Ask(trial.number, move=trial.number, seed=self.seed))
        if isinstance(proposals, Need):
            raise Unfit(f"{self.searcher.name} asks for outside answers, which Optuna can't give. Use tt.Study.")
        if not proposals:
            if not self._told:
                self._told = True
                log.warning("%s has nothing new to propose; trials are drawn at random from here.", self.searcher.name)
            return history.space.sample_config(rng_for(self.seed, "anew", trial.number))
        return dict(proposals[0].config or {})

    def _check(self, study: Any, domains: dict[str, Any], metrics: dict[str, Any] | None = None) -> None:
        if metrics is None:
            metrics = {str(i): {"role": "objective"} for i in range(len(study.directions))}
        from trimtab.schedule.full import Full

        try:
            check_fit(Space(domains), metrics, self.searcher, Full())
        except Unsupported as error:
            raise Unfit(str(error)) from None


def _distribution(dist: Dist) -> Any:
    if dist.kind == "choice":
        return CategoricalDistribution(dist.choices)
    if dist.kind == "int":
        return IntDistribution(int(dist.low), int(dist.high), log=dist.log, step=int(dist.step or 1))
    return FloatDistribution(dist.low, dist.high, log=dist.log, step=dist.step)
