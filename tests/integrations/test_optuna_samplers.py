"""Optuna's own tests of samplers, on every searcher of trimtab that can run under an Optuna study."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trimtab.search import SEARCHERS
from trimtab.search._registry import REGISTRY

pytest.importorskip("optuna")
suite = pytest.importorskip("optuna.testing.pytest_samplers")

from trimtab.integrations.optuna import TrimtabSampler  # noqa: E402

OFTEN = ("auto", "random", "tpe")  # in every run; the others only with the slow tests
OBJECTIVES = {name: "objectives" in REGISTRY.load(name).takes for name in SEARCHERS}
# Optuna's objectives may suggest a parameter in some trials only, which some searchers refuse by name.
CLASSES = {name: REGISTRY.load(name) for name in SEARCHERS}
FIT = [name for name, cls in CLASSES.items() if not cls.chooses and "conditional" in cls.takes]


def _some(names: list[str]) -> list[Any]:
    return [name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in names]


class _Any:
    @pytest.fixture(params=_some(FIT))
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], Any]:
        return lambda: TrimtabSampler(request.param, seed=0)


class TestBasic(_Any, suite.BasicSamplerTestCase):  # type: ignore[misc]
    pass


class TestRelative(_Any, suite.RelativeSamplerTestCase):  # type: ignore[misc]
    pass


class TestMultiObjective(suite.MultiObjectiveSamplerTestCase):  # type: ignore[misc]
    @pytest.fixture(params=_some([name for name in FIT if OBJECTIVES[name]]))
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], Any]:
        return lambda: TrimtabSampler(request.param, seed=0)


class _OneObjective:
    """A searcher that takes one objective only."""

    name, revision, takes, chooses, reads_time = "one", 1, frozenset({"conditional"}), False, False

    def propose(self, history: Any, ask: Any) -> list[Any]:
        return list(REGISTRY.make("random").propose(history, ask))


class TestSingleOnly(suite.SingleOnlySamplerTestCase):  # type: ignore[misc]
    @pytest.fixture(params=["one", *_some([name for name in FIT if not OBJECTIVES[name]])])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], Any]:
        return lambda: TrimtabSampler(_OneObjective() if request.param == "one" else request.param, seed=0)
