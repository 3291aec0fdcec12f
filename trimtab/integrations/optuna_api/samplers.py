"""Optuna's samplers, by their names: which searcher of trimtab each becomes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trimtab._random import rng_for
from trimtab.integrations.optuna_api._words import not_here
from trimtab.search._registry import REGISTRY


class BaseSampler:
    """A searcher of trimtab under Optuna's name."""

    def __init__(self, searcher: Mapping[str, Any], seed: int | None = None) -> None:
        self.searcher, self.seed = dict(searcher), seed

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.searcher}, seed={self.seed})"

    def reseed_rng(self) -> None:
        """Nothing to do: every draw is keyed by its trial."""


class AutoSampler(BaseSampler):
    """What a study gets when no sampler is named: trimtab chooses by what the space is."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__({"method": "auto"}, seed)


class TPESampler(BaseSampler):
    """tt.TPE. What Optuna asks for and trimtab always does is accepted: groups, constant liar."""

    def __init__(
        self, *, n_startup_trials: int = 10, n_ei_candidates: int = 24, seed: int | None = None,
        multivariate: bool | None = None, prior_weight: float | None = None, gamma: Any = None, weights: Any = None,
        constraints_func: Any = None, group: bool = False, constant_liar: bool = True,
        consider_prior: bool | None = None, consider_magic_clip: bool | None = None,
        consider_endpoints: bool | None = None, warn_independent_sampling: bool | None = None,
    ) -> None:  # fmt: skip
        _refuse("TPESampler", gamma=(gamma, "share="), weights=(weights, ""))
        _no_constraints(constraints_func)
        settings: dict[str, Any] = {"method": "tpe", "startup": n_startup_trials, "candidates": n_ei_candidates}
        if prior_weight is not None:
            settings["prior_weight"] = prior_weight
        if multivariate is False:
            settings["kernels"] = "independent"
        super().__init__(settings, seed)


class RandomSampler(BaseSampler):
    def __init__(self, seed: int | None = None) -> None:
        super().__init__({"method": "random"}, seed)


class QMCSampler(BaseSampler):
    """Sobol or Halton, always scrambled."""

    def __init__(
        self, *, qmc_type: str = "sobol", scramble: bool = False, seed: int | None = None,
        independent_sampler: Any = None, warn_asynchronous_seeding: bool = True, warn_independent_sampling: bool = True,
    ) -> None:  # fmt: skip
        if qmc_type not in ("sobol", "halton"):
            raise ValueError(f'qmc_type={qmc_type!r}: "sobol" or "halton".')
        super().__init__({"method": qmc_type}, seed)


class GPSampler(BaseSampler):
    def __init__(
        self, *, seed: int | None = None, independent_sampler: Any = None, n_startup_trials: int = 10,
        deterministic_objective: bool = False, constraints_func: Any = None, warn_independent_sampling: bool = True,
        **others: Any,
    ) -> None:  # fmt: skip
        _no_constraints(constraints_func)
        _unknown("GPSampler", others)
        if "gp" not in REGISTRY.names():
            raise not_here("GPSampler", 'Leave sampler= out: "auto" picks what suits the space.')
        known = inspect.signature(REGISTRY.load("gp")).parameters
        super().__init__({"method": "gp", **({"startup": n_startup_trials} if "startup" in known else {})}, seed)


class GridSampler(BaseSampler):
    """Every combination, queued in a shuffled order; the study ends when the queue is empty."""

    def __init__(self, search_space: Mapping[str, Sequence[Any]], seed: int | None = None) -> None:
        for name, values in search_space.items():
            if isinstance(values, str) or not len(values):
                raise ValueError(f"GridSampler: {name}={values!r} is no list of values.")
        self.space = {name: list(values) for name, values in search_space.items()}
        super().__init__({"method": "random"}, 0 if seed is None else seed)

    def points(self) -> Iterator[dict[str, Any]]:
        every = list(itertools.product(*self.space.values()))
        assert self.seed is not None
        for i in rng_for(self.seed, "grid").permutation(len(every)).tolist():
            yield dict(zip(self.space, every[i], strict=True))


def _refuse(owner: str, **given: tuple[Any, str]) -> None:
    for name, (value, word) in given.items():
        if value is not None:
            raise not_here(
                f"{owner}({name}=…)", f"trimtab's searcher has {word}" if word else "There is no such setting."
            )


def _no_constraints(given: Any) -> None:
    if given is not None:
        raise not_here("constraints_func=")


def _unknown(owner: str, others: Mapping[str, Any]) -> None:
    for name in others:
        raise TypeError(f"{owner}() has no argument {name!r} here.")


def searcher_of(sampler: Any) -> Any:
    """What trimtab takes as searcher=: of one of these, a name, or a searcher of trimtab's own."""
    if sampler is None or isinstance(sampler, (str, Mapping)):
        return sampler
    if isinstance(sampler, BaseSampler):
        return sampler.searcher
    if hasattr(sampler, "propose"):
        return sampler
    raise not_here(
        f"sampler={type(sampler).__name__}(…)", "trimtab says searcher=: a name, or an object such as tt.TPE()."
    )


def __getattr__(name: str) -> Any:
    raise not_here(f"optuna.samplers.{name}")
