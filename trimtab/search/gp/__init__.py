"""Gaussian-process search: model the objective, try where it is likeliest to improve most.

Idea    A Gaussian process gives a mean and a spread at every configuration; the next trial is where the expected
        improvement on the best one is largest. It needs the fewest trials of all methods here, and the most arithmetic.
Source  Jones, Schonlau & Welch, Efficient Global Optimization, J. Global Optimization 13, 1998; the logarithm of
        expected improvement: Ament et al., NeurIPS 2023; priors: Hvarfner, Hellsten & Nardi, Vanilla Bayesian
        Optimization Performs Great in High Dimensions, ICML 2024; several objectives: Knowles, ParEGO, IEEE TEC 10(1),
        2006; constraints: Gardner et al., ICML 2014.
Takes   Everything. Whole numbers, choices, orders, subsets and shares are features of the model; what is inactive does
        not count. Running trials count at their predicted value (kriging believer) or as draws, failed ones at the
        worst, those cut short at the level they reached; measured standard errors count as known noise, the spread over
        folds does not.
Cost    O(n³) a fit and O(n²) a candidate, n at most `most`. A fit at every decision below 100 trials, then after each
        10 % more; it starts where the newest logged one ended.
Leaves  the papers in this: in a conditional space one trial in `stray` goes to the branch tried least, since a branch
        whose first few tries were bad would else be given up for good; values far above the best count by their
        logarithm; noise may be as small as 1e-10 of the variance, under a wider prior; weights of objectives are drawn
        for each trial from the whole simplex.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from trimtab._blas import one_thread
from trimtab.history import State as Ended
from trimtab.log import JSON
from trimtab.protocol import TRAITS, Ask, Proposal
from trimtab.search.designs import LatinHypercube
from trimtab.search.gp._state import State
from trimtab.search.gp._utility import columns, formula
from trimtab.search.random import RandomSearch

if TYPE_CHECKING:
    from trimtab.history import History
    from trimtab.search.gp._front import Fronts
    from trimtab.search.gp._surrogate import Surrogate
    from trimtab.search.gp._worth import Worth
    from trimtab.space import Space

Floats = NDArray[np.float64]
HYPER = ("map", "laplace", "starts", "vi", "hmc")
SEVERAL = ("auto", "ehvi", "nehvi", "chebyshev", "linear", "parego")
ACQUISITION = ("logei", "ucb", "thompson", "portfolio")
RUNNING = ("believed", "drawn")
BRANCHES = 32  # draws among which the rarest branch is looked for


class _BySettings:
    """`reads_time` of a GP: a class variable, as the protocol has it, which yet goes by whether costs are weighed."""

    def __get__(self, searcher: GP | None, kind: type) -> bool:
        return searcher is not None and searcher.cost is not None and searcher.utility is None


@dataclass(frozen=True, slots=True)
class GP:
    """Models the objective as a Gaussian process and tries where it is likeliest to improve most.

    startup      trials with a value before the first model: the middle of the space, then an even design
    candidates   configurations that are looked at for each proposal
    starts       of these, so many are improved along the model's slopes
    most         trials in a model: beyond it the best, the newest and an even part of the rest
    stray        in a conditional space one trial in so many is a random one of the branch tried least, so that none is
                 given up for good
    hyper        hyperparameters of the objective's model: "map", the most probable ones; or the acquisition is averaged
                 over sets of them: "laplace", "starts", "vi" or "hmc", from the cheapest to the dearest
    acquisition  what is sought: "logei", expected improvement; "ucb"; "thompson"; or "portfolio", a random mixture
    running      trials that run count at their prediction, "believed"; or, "drawn", the acquisition is averaged over
                 eight draws of what they may bring, which takes several times as long. Of several objectives: "nehvi"
    trust        priors that the space declares count as the results of about so many trials; 0: for random draws only
    several      of several objectives: "ehvi", expected gain in hypervolume; "nehvi", the same with what is noisy or
                 running drawn from the models; "chebyshev", the largest objective under weights drawn for each trial;
                 "linear", their sum; "parego", one model of the largest; "auto", hypervolume while that is quick. With
                 another `hyper` or `acquisition` than the first: parego
    reference    of several objectives: {name: the worst value that is of interest}; absent: a little behind all seen
    prefer       of several objectives: {name: its share when weights are drawn}, 1 for the others
    cost         what trials cost: "seconds", another kind of cost that is logged, or a metric. Cheap trials are
                 preferred, the less the more of the budget (`trials`, stop rules "time" and "gpu_hours") is used
    limit        nothing is sought that is expected to cost more
    utility      of two objectives, a quality and the `cost`: how much they are worth together. {"log": w}, quality
                 (1 - w) less w ln(cost); {"harmonic": T, "beta": 1}, the weighted harmonic mean of quality and
                 exp(-cost / T); {"target": T, "power": 0.07}, quality (cost / T)^-power
    """

    startup: int = 5
    candidates: int = 512
    starts: int = 8
    most: int = 1000
    stray: int = 6
    hyper: Literal["map", "laplace", "starts", "vi", "hmc"] = "map"
    acquisition: Literal["logei", "ucb", "thompson", "portfolio"] = "logei"
    running: Literal["believed", "drawn"] = "believed"
    trust: float = 10.0
    several: Literal["auto", "ehvi", "nehvi", "chebyshev", "linear", "parego"] = "auto"
    reference: Mapping[str, float] | None = None
    prefer: Mapping[str, float] | None = None
    cost: str | None = None
    limit: float | None = None
    utility: Mapping[str, float] | None = None

    name: ClassVar[str] = "gp"
    revision: ClassVar[int] = 3
    takes: ClassVar[frozenset[str]] = TRAITS
    chooses: ClassVar[bool] = False
    reads_time: ClassVar[bool] = cast("bool", _BySettings())

    def __post_init__(self) -> None:
        for name, least in (("startup", 2), ("candidates", 16), ("starts", 1), ("most", 20), ("stray", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"GP({name}={getattr(self, name)}): {name} must be at least {least}.")
        if not 0 <= self.trust < float("inf"):
            raise ValueError(f"GP(trust={self.trust}): trust must be at least 0, and finite.")
        for name, known in (
            ("hyper", HYPER), ("acquisition", ACQUISITION), ("running", RUNNING), ("several", SEVERAL),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"GP({name}={getattr(self, name)!r}): {name} is one of {', '.join(known)}.")
        for name, share in (self.prefer or {}).items():
            if not 0 < share < float("inf"):
                raise ValueError(f"GP(prefer={{{name!r}: {share}}}): a share must be above 0.")
        for name, worst in (self.reference or {}).items():
            if not np.isfinite(worst):
                raise ValueError(f"GP(reference={{{name!r}: {worst}}}): a reference must be a finite number.")
        self._check_cost()

    def _check_cost(self) -> None:
        if self.cost is None:
            for name in ("limit", "utility"):
                if getattr(self, name) is not None:
                    raise ValueError(f'GP({name}=…) needs cost=, the name of what trials cost, such as cost="seconds".')
            return
        if self.limit is not None and not 0 < self.limit < float("inf"):
            raise ValueError(f"GP(limit={self.limit}): limit must be above 0, and finite.")
        if self.acquisition != "logei":
            raise ValueError(
                f'GP(cost={self.cost!r}, acquisition={self.acquisition!r}): costs are weighed against "logei" alone.'
            )
        if self.utility is not None:
            formula(self.utility)
            own = (
                ("hyper", "map"),
                ("running", "believed"),
                ("several", "auto"),
                ("reference", None),
                ("prefer", None),
            )
            for name, usual in own:
                if getattr(self, name) != usual:
                    raise ValueError(f"GP(utility=…, {name}=…): utility says what is sought; leave {name} out.")

    def propose(self, history: History, ask: Ask) -> Sequence[Proposal]:
        if self.cost is not None and history.objectives:
            self._check_objectives(history, self.cost)
        ended = (history.state != Ended.RUNNING) & np.isfinite(history.Y).all(axis=1)
        if int(ended.sum()) < self.startup or not history.space.d or not history.objectives:
            return self._first(history, ask)
        state: State = history.fold(("gp", "state"), State, State.step)
        with one_thread():
            return self._model(history, ask, state)

    def _check_objectives(self, history: History, cost: str) -> None:
        if self.utility is not None:
            columns(history, cost, formula(self.utility))
        elif len(history.objectives) > 1:
            raise ValueError(
                f"GP(cost={cost!r}) weighs the cost against one objective, and this study has "
                f"{', '.join(history.objectives)}. Leave cost out, or say by utility= what two of them are worth."
            )
        elif cost in history.objectives:
            raise ValueError(
                f"GP(cost={cost!r}): {cost} is the objective of this study. To trade a quality against it, make that "
                'one, too, and add utility={"log": 0.3}; else name what is logged, such as cost="seconds".'
            )

    def _first(self, history: History, ask: Ask) -> list[Proposal]:
        text: dict[str, JSON] = {"text": f"one of the first {self.startup}, spread evenly over the space"}
        if not history.space.d:
            return list(RandomSearch().propose(history, ask))
        middle = [_middle(history.space, ask)] if ask.number == 0 else []
        rest = replace(ask, number=max(ask.number - 1, 0), n=ask.n - len(middle))
        design = LatinHypercube(size=max(self.startup - 1, rest.n)).propose(history, rest)
        return [*middle, *(replace(p, why=text) for p in design)]

    def _model(self, history: History, ask: Ask, state: State) -> list[Proposal]:
        from trimtab.search.gp._acquire import Search, Seen  # scipy comes with it
        from trimtab.search.gp._acquisitions import seeking
        from trimtab.search.gp._model import Singular
        from trimtab.search.gp._near import neighbourhood, settled
        from trimtab.search.gp._pending import imagined
        from trimtab.search.gp._surrogate import Surrogate

        space, proposals = history.space, list[Proposal]()
        running = history.X[history.state == Ended.RUNNING]
        seen = Seen(history.X)
        conditional = "conditional" in space.traits
        for number in range(ask.number, ask.number + ask.n):
            alone = replace(ask, number=number, n=1)
            if conditional and number % self.stray == 0:
                proposals.append(_of_the_rarest(history, running, alone, self.stray))
                running = np.concatenate([running, space.encode([proposals[-1].config or {}])])
                continue
            try:
                model = self._surrogate(history, alone, state)
                if isinstance(model, str):
                    proposals += _at_random(history, alone, model)
                    continue
                if self.running == "drawn" and isinstance(model, Surrogate):
                    model = imagined(model, running, ask.rng("gp running", number))
                else:
                    model = model.believing(running)
                if isinstance(model, Surrogate):
                    draws = ask.rng(f"gp {self.acquisition}", number)
                    model = seeking(model, self.acquisition, draws, len(history))
                    if self.cost is not None:
                        model = model.paying(self._share(history, ask, number))
                found = Search(space, model, ask.rng("gp", number), self.candidates, self.starts).best(seen)
            except Singular:
                why = "the model could not be fitted (its covariance is singular)"
                proposals += _at_random(history, alone, why)
                continue
            if found is None:
                proposals += _at_random(history, alone, "all candidates had been tried")
                continue
            x, score = found
            note = model.note() if not proposals else {}
            if (
                number % 2
                and self.acquisition == "logei"
                and isinstance(model, Surrogate)
                and settled(model, model.gained(x, score))
            ):
                rng = ask.rng("gp near", number)
                near = neighbourhood(history, model, running, rng, self.candidates, self.starts)
                if near and (found := near.best(seen)):
                    model, (x, score) = near.local, found
            proposals.append(Proposal(space.decode(x[None])[0], note=note, why=_why(history, model, x, score, self)))
            running = np.concatenate([running, x[None]])
            seen.add(x[None])
        return proposals

    def _surrogate(self, history: History, ask: Ask, state: State) -> Surrogate | Fronts | Worth | str:
        """The models as of now; of several objectives, with this trial's draws."""
        from trimtab.search.gp._surrogate import surrogate

        several = len(history.objectives) > 1
        if self.utility is not None:
            return self._worth(history, ask, state, self.utility)
        if several and self.several != "parego" and self.hyper == "map" and self.acquisition == "logei":
            return self._fronts(history, ask, state)
        hyper = None if self.hyper == "map" else (self.hyper, ask.rng("gp sets"))
        asked = (ask.scope, ask.seed, ask.move, ask.number if several else None)
        key = ("gp", self.most, self.hyper, self.trust, self.cost, self.limit, asked)
        rng = ask.rng("gp weights", ask.number) if several else None
        costs = self._costs(history)
        return history.memo(
            key,
            lambda: surrogate(history, state, ask.scope, self.most, rng, None, hyper, self.trust, costs, self.limit),
        )

    def _costs(self, history: History) -> Floats | None:
        from trimtab.search.gp._cost import costs_of

        return None if self.cost is None else costs_of(history, self.cost)

    def _share(self, history: History, ask: Ask, number: int) -> float:
        from trimtab.search.gp._cost import costs_of, share

        assert self.cost is not None
        return share(history, ask, number, self.cost, costs_of(history, self.cost))

    def _worth(self, history: History, ask: Ask, state: State, utility: Mapping[str, float]) -> Worth | str:
        from trimtab.search.gp._worth import worth

        assert self.cost is not None
        cost, limit = self.cost, self.limit
        key = ("gp worth", self.most, self.trust, cost, limit, tuple(sorted(utility.items())), ask.scope)
        made = history.memo(key, lambda: worth(history, state, ask.scope, self.most, self.trust, utility, cost, limit))
        return made if isinstance(made, str) else made.by_turns(ask.number)

    def _fronts(self, history: History, ask: Ask, state: State) -> Fronts | str:
        from trimtab.search.gp._front import fronts

        reference, prefer = self.reference or {}, self.prefer or {}
        for setting, given in (("reference", reference), ("prefer", prefer)):
            for name in sorted(set(given) - set(history.objectives)):
                known = ", ".join(history.objectives)
                raise ValueError(f"GP({setting}={{{name!r}: …}}): this study's objectives are {known}.")
        key = ("gp fronts", self.most, ask.scope, tuple(sorted(reference.items())))
        made = history.memo(key, lambda: fronts(history, state, ask.scope, self.most, reference))
        if isinstance(made, str):
            return made
        return made.aimed(self.several, prefer, ask.rng("gp front", ask.number))


def _middle(space: Space, ask: Ask) -> Proposal:
    """The median of every number, and a draw of the rest: people centre their ranges on what they believe in."""
    u = ask.rng("gp middle", 0).random((1, space.d))
    u[0, [j for j, c in enumerate(space.columns) if c.kind != "choice"]] = 0.5
    X = space.from_unit(u)
    text = "the middle of the space"
    if not space.feasible(X)[0]:
        X, text = space.sample(ask.rng("gp middle", 0), 1), "a random draw: the middle of the space breaks a rule"
    return Proposal(space.decode(X)[0], why={"text": text})


def _at_random(history: History, ask: Ask, because: str) -> list[Proposal]:
    why: dict[str, JSON] = {"text": f"a random draw: {because}"}
    return [replace(p, why=why) for p in RandomSearch().propose(history, ask)]


def _of_the_rarest(history: History, running: Floats, ask: Ask, stray: int) -> Proposal:
    """A random configuration with the pattern of active parameters that has been tried least."""
    space = history.space
    drawn = space.sample(ask.rng("gp stray", ask.number), BRANCHES)
    tried = Counter(row.tobytes() for row in ~np.isnan(np.concatenate([history.X, running])))
    rarest = min(range(len(drawn)), key=lambda i: tried[(~np.isnan(drawn[i])).tobytes()])
    why: dict[str, JSON] = {"text": f"a random draw from the branch tried least: one trial in {stray} is"}
    return Proposal(space.decode(drawn[rarest][None])[0], why=why)


def _why(history: History, model: Surrogate | Fronts | Worth, x: Floats, score: float, settings: GP) -> dict[str, JSON]:
    """What the model expects of a configuration, in the objective's own units."""
    from trimtab.search.gp._acquisitions import WORDS
    from trimtab.search.gp._surrogate import Surrogate

    if not isinstance(model, Surrogate):
        return model.why(history, x, score)
    features, sought = model.layout.features(x[None]), WORDS[settings.acquisition]
    out: dict[str, JSON] = {"score": score}
    parts = []
    if model.weights is not None:
        shares = " : ".join(f"{w:.2f}" for w in model.weights)
        parts.append(f"{sought} under {' : '.join(history.objectives)} = {shares}")
    elif model.best is None:
        parts.append("nothing feasible is known yet")
    else:
        means, variances = model.objective.predict(features)
        mean, sd = float(means[0]), float(np.sqrt(variances[0]))
        sign, told = history.sign(history.objectives[0]), model.target
        middle = sign * told.back(mean)
        spread = 0.5 * (told.back(mean + sd) - told.back(mean - sd))
        if np.isfinite(middle) and np.isfinite(spread):
            out |= {"mean": middle, "sd": spread}
        best = sign * told.back(model.best)
        parts.append(f"{sought} on {history.objectives[0]} {best:.4g}")
    if model.limits:
        parts.append(f"feasible with probability {model.likely_feasible(features):.2f}")
    if model.price is not None:
        parts.append(f"at a cost of about {model.price.expected(features):.3g} {settings.cost}")
    out["text"] = ", ".join(parts)
    return out
