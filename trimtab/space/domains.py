"""What a parameter may be: Float, Int, Choice, Bool, Const, Derived.

Each is a frozen record, checked once when made. Bounds are both included. `when` says in which configurations the
parameter exists; `prior` where good values are expected. Bounds may be expressions over other parameters.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

from trimtab._foreign import understood
from trimtab.errors import SpaceError, did_you_mean
from trimtab.space.expression import Expression

Condition: TypeAlias = "str | Expression | Mapping[str, Any] | None"
INT64 = 2**63


def token(value: Any) -> str:
    """Text that tells JSON values apart as JSON does: 1, 1.0, true and "1" are four."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """A numpy scalar as Python's own; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


@understood
@dataclass(frozen=True, slots=True)
class Float:
    """A real number from low to high, both included.

    log=True spaces it by ratio; step=0.1 allows low, low + 0.1, … only. prior={"normal": [mean, sd]} (on a log scale sd
    counts powers of ten) or {"beta": [a, b]} draws more where good values are expected.
    """

    low: float | str | Expression
    high: float | str | Expression
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    default: float | None = None
    prior: Any = field(default=None, hash=False)
    when: Condition = None

    def __post_init__(self) -> None:
        if not isinstance(self.log, bool | np.bool_):
            raise SpaceError(
                f"{_call(self)}: log={self.log!r} is for Int. Write log=True, or Int(…, log={self.log!r})."
            )
        _set(self, low=_bound(self, "low", float), high=_bound(self, "high", float), log=bool(self.log))
        _check_order(self, "1e-6")
        if self.step is not None:
            _set(self, step=_positive(self, "step", float))
            self._check_step()
        elif isinstance(self.low, float) and isinstance(self.high, float):
            if not math.isfinite(self.high - self.low):
                raise SpaceError(f"{_call(self)}: the range is wider than floating point numbers reach. Try log=True.")
            if self.log and math.log(self.low) == math.log(self.high):
                warnings.warn(
                    f"{_call(self)}: so narrow that the log scale has one value only.", UserWarning, stacklevel=4
                )
        _set(self, default=_default(self, float), when=_when(self.when), prior=_numeric_prior(self))

    def _check_step(self) -> None:
        if self.log:
            raise SpaceError(f"{_call(self)}: log=True and step={self.step} can't be combined. Use one of them.")
        if not isinstance(self.low, float) or not isinstance(self.high, float) or self.step is None:
            return
        low, high, step = (Decimal(repr(x)) for x in (self.low, self.high, self.step))
        count, rest = divmod(high - low, step)
        if rest:
            near = [float(low + c * step) for c in (count, count + 1) if c]
            raise SpaceError(
                f"{_call(self)}: step={self.step} does not divide {float(high - low)} (high - low). "
                f"The nearest that fits: {' or '.join(f'high={h!r}' for h in near)}."
            )


@understood
@dataclass(frozen=True, slots=True)
class Int:
    """A whole number from low to high, both included.

    log=True spaces it by ratio; log=2 allows the powers of two in the range only; step=5 allows low, low + 5, … only.
    """

    low: int | str | Expression
    high: int | str | Expression
    _: KW_ONLY
    log: bool | int = False
    step: int | None = None
    default: int | None = None
    prior: Any = field(default=None, hash=False)
    when: Condition = None

    def __post_init__(self) -> None:
        _set(self, low=_bound(self, "low", int), high=_bound(self, "high", int), log=plain(self.log))
        if not isinstance(self.log, bool) and (not isinstance(self.log, int) or self.log < 2):
            raise SpaceError(f"{_call(self)}: log={self.log!r}. Write log=True, or log=2 for the powers of two.")
        _check_order(self, "1")
        if self.step is not None:
            _set(self, step=_positive(self, "step", int))
            self._check_step()
        if not isinstance(self.log, bool):
            self._check_powers()
        _set(self, default=_default(self, int), when=_when(self.when), prior=_numeric_prior(self))

    def _check_step(self) -> None:
        if self.log is not False and self.step != 1:
            raise SpaceError(f"{_call(self)}: log={self.log} and step={self.step} can't be combined. Use one of them.")
        if isinstance(self.low, int) and isinstance(self.high, int) and self.step is not None:
            count, rest = divmod(self.high - self.low, self.step)
            if rest:
                near = [self.low + c * self.step for c in (count, count + 1) if c]
                raise SpaceError(
                    f"{_call(self)}: step={self.step} does not divide {self.high - self.low} (high - low). "
                    f"The nearest that fits: {' or '.join(f'high={h}' for h in near)}."
                )

    def _check_powers(self) -> None:
        if not isinstance(self.low, int) or not isinstance(self.high, int):
            raise SpaceError(f"{_call(self)}: log={self.log} needs bounds that are numbers. Use log=True.")
        first, count = self.exponents()
        if count < 1:
            raise SpaceError(f"{_call(self)}: no power of {self.log} lies in this range. Widen it, or use log=True.")
        if count == 1:
            warnings.warn(f"{_call(self)}: {self.log**first} is the only value.", UserWarning, stacklevel=4)

    def exponents(self) -> tuple[int, int]:
        """With log=base: the first exponent, and how many there are."""
        first = 0
        while self.log**first < self.low:
            first += 1
        count = 0
        while self.log ** (first + count) <= self.high:
            count += 1
        return first, count


@understood
@dataclass(frozen=True, slots=True)
class Choice:
    """One of several JSON values, or one of several labels that stand for objects or for sub-spaces.

    Choice(["sgd", "adam"]); Choice({"relu": nn.ReLU, "gelu": nn.GELU}); Choice({"svm": Space({…}), "rf": Space({…})}).
    Only labels are stored. ordered=True: neighbours in the list are alike. prior: a weight each, as a list or by label.
    """

    choices: Any = field(compare=False)
    _: KW_ONLY
    ordered: bool = False
    default: Any = field(default=None, hash=False)  # may be a list
    prior: Any = field(default=None, compare=False)
    when: Condition = None
    branches: tuple[str, ...] = field(
        default=(), repr=False
    )  # labels that are sub-spaces; from JSON, where those are flat
    tokens: tuple[str, ...] = field(init=False, repr=False)
    weights: tuple[float, ...] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.choices, str) or not isinstance(self.choices, Mapping | Sequence):
            raise SpaceError(f"Choice({self.choices!r}): give a list of values, or {{label: object}}.")
        choices = dict(self.choices) if isinstance(self.choices, Mapping) else tuple(map(plain, self.choices))
        if not choices:
            raise SpaceError(
                "Choice([]): there is nothing to choose from. Give at least one value, or use Const(value)."
            )
        tokens = tuple(self._token(label, isinstance(choices, dict)) for label in choices)
        for i, this in enumerate(tokens):
            if this in tokens[:i]:
                raise SpaceError(
                    f"{this} is twice in Choice({list(choices)!r}). Leave one out; prior= makes a value likelier."
                )
        _set(self, choices=choices, tokens=tokens, when=_when(self.when), branches=tuple(self.branches))
        _set(self, default=plain(self.default), weights=self._weights())
        if self.default is not None and self.code(self.default) is None:
            raise SpaceError(f"Choice: default={self.default!r} is not among {list(self.labels)!r}.")

    def _token(self, label: Any, named: bool) -> str:
        if named and not isinstance(label, str):
            raise SpaceError(f"Choice: {label!r} must be text to name an object. Write {str(label)!r}: … instead.")
        try:
            return token(label)
        except (TypeError, ValueError, RecursionError):
            name = getattr(label, "__name__", "name")
            raise SpaceError(f"Choice: {label!r} can't be stored as JSON. Name it: Choice({{{name!r}: …}}).") from None

    def _weights(self) -> tuple[float, ...] | None:
        if self.prior is None:
            return None
        given = self.prior.get("weights", self.prior) if isinstance(self.prior, Mapping) else self.prior
        if isinstance(given, Mapping):
            for label in given:
                if self.code(label) is None:
                    raise SpaceError(
                        f"Choice: prior names {label!r}. {did_you_mean(str(label), list(map(str, self.labels)))}"
                    )
            given = [next((w for x, w in given.items() if token(x) == t), 0.0) for t in self.tokens]
        weights = [float(w) for w in given]
        if len(weights) != len(self.tokens) or not all(0 <= w < math.inf for w in weights) or not sum(weights) > 0:
            raise SpaceError(
                f"Choice: prior={self.prior!r} must give {len(self.tokens)} weights, none below 0, not all 0."
            )
        total = sum(weights)
        return tuple(weights) if abs(total - 1) < 1e-12 else tuple(w / total for w in weights)

    @property
    def labels(self) -> tuple[Any, ...]:
        """The values as they are stored."""
        return tuple(self.choices)

    def code(self, value: Any) -> int | None:
        """Which label it is, or None. A number that equals exactly one label counts as it (3.0 for 3)."""
        value = plain(value)
        try:
            this = token(value)
        except (TypeError, ValueError):
            return None
        if this in self.tokens:
            return self.tokens.index(this)
        if isinstance(value, int | float) and not isinstance(value, bool):
            alike = [
                i
                for i, x in enumerate(self.labels)
                if isinstance(x, int | float) and not isinstance(x, bool) and x == value
            ]
            return alike[0] if len(alike) == 1 else None
        return None


@understood
@dataclass(frozen=True, slots=True)
class Bool:
    """False or True. prior: the probability of True."""

    _: KW_ONLY
    default: bool | None = None
    prior: float | None = None
    when: Condition = None

    def __post_init__(self) -> None:
        if self.default is not None and not isinstance(self.default, bool | np.bool_):
            raise SpaceError(f"Bool(default={self.default!r}): write default=True or default=False.")
        if self.prior is not None and not 0 <= self.prior <= 1:
            raise SpaceError(f"Bool(prior={self.prior!r}): prior is the probability of True, from 0 to 1.")
        _set(self, default=plain(self.default), when=_when(self.when))

    @property
    def labels(self) -> tuple[bool, bool]:
        return (False, True)

    @property
    def weights(self) -> tuple[float, float] | None:
        return None if self.prior is None else (1 - self.prior, self.prior)

    def code(self, value: Any) -> int | None:
        return int(value) if isinstance(value, bool | np.bool_) else None


@understood
@dataclass(frozen=True, slots=True)
class Const:
    """A value that is the same in every configuration, and recorded with it. Takes no column."""

    value: Any = field(compare=False)
    _: KW_ONLY
    when: Condition = None
    token: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        value = plain(self.value)
        try:
            _set(self, value=value, token=token(value), when=_when(self.when))
        except (TypeError, ValueError, RecursionError):
            raise SpaceError(
                f"Const({self.value!r}) can't be stored as JSON. Pass it to the objective directly."
            ) from None


@understood
@dataclass(frozen=True, slots=True)
class Derived:
    """A value computed from others, as Derived("lr * batch"): it shows in the configuration and takes no column."""

    expression: str | Expression
    _: KW_ONLY
    when: Condition = None

    def __post_init__(self) -> None:
        _set(self, expression=Expression.of(self.expression), when=_when(self.when))


# ── checks that domains share ─────────────────────────────────────────────────


def _set(domain: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(domain, name, value)


def _call(domain: Any) -> str:
    return f"{type(domain).__name__}({domain.low}, {domain.high})"


def _when(given: Condition) -> Expression | None:
    return None if given is None else Expression.of(given)


def _bound(domain: Any, side: str, kind: type) -> Any:
    given = plain(getattr(domain, side))
    if isinstance(given, str | Expression):
        expression = Expression.of(given)
        if not expression.names:
            raise SpaceError(f"{_call(domain)}: {side}={given!r} is text. Write the number: {side}={given}.")
        return expression
    return _finite(domain, side, given, kind)


def _finite(domain: Any, what: str, given: Any, kind: type) -> Any:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise SpaceError(f"{_call(domain)}: {what}={given!r} is not a number.")
    if not math.isfinite(given):
        raise SpaceError(f"{_call(domain)}: {what}={given!r}. Every bound must be finite.")
    if kind is int:
        if given != int(given):
            raise SpaceError(f"{_call(domain)}: {what}={given!r} is no whole number. Use Float, or round it.")
        if not -INT64 <= given < INT64:
            raise SpaceError(f"{_call(domain)}: {what}={given} is beyond 64-bit whole numbers. Use Float(…, log=True).")
    return kind(given)


def _positive(domain: Any, what: str, kind: type) -> Any:
    value = _finite(domain, what, plain(getattr(domain, what)), kind)
    if value <= 0:
        raise SpaceError(f"{_call(domain)}: {what}={value} must be above 0.")
    return value


def _check_order(domain: Any, example: str) -> None:
    low, high = domain.low, domain.high
    if isinstance(low, Expression) or isinstance(high, Expression):
        if domain.log and not isinstance(low, Expression) and low <= 0:
            raise SpaceError(f"{_call(domain)}: a log scale needs low above 0 ({low} is not). Try low={example}.")
        return
    kind = type(domain).__name__
    if low > high:
        raise SpaceError(f"{_call(domain)}: low ({low}) is above high ({high}). Swap them: {kind}({high}, {low}).")
    if low == high:
        raise SpaceError(f"{_call(domain)}: low and high are the same. For a fixed value write Const({low}).")
    if domain.log and low <= 0:
        raise SpaceError(f"{_call(domain)}: a log scale needs low above 0 ({low} is not). Try low={example}.")


def _default(domain: Any, kind: type) -> Any:
    if domain.default is None:
        return None
    value = _finite(domain, "default", plain(domain.default), kind)
    outside = (isinstance(domain.low, kind) and value < domain.low) or (
        isinstance(domain.high, kind) and value > domain.high
    )
    if outside:
        raise SpaceError(f"{_call(domain)}: default={value} is outside the range.")
    return value


def _numeric_prior(domain: Any) -> Any:
    prior = domain.prior
    if prior is None:
        return None
    numbers = next(iter(prior.values())) if isinstance(prior, Mapping) and len(prior) == 1 else None
    kind = next(iter(prior)) if isinstance(prior, Mapping) and len(prior) == 1 else None
    good = kind in ("normal", "beta") and isinstance(numbers, list | tuple) and len(numbers) == 2
    if not good or not all(isinstance(plain(x), int | float) and math.isfinite(x) for x in numbers):  # type: ignore[union-attr]
        raise SpaceError(f'{_call(domain)}: prior={prior!r}. Write {{"normal": [mean, sd]}} or {{"beta": [a, b]}}.')
    first, second = (float(x) for x in numbers)  # type: ignore[union-attr]
    if second <= 0 or (kind == "beta" and first <= 0):
        raise SpaceError(
            f"{_call(domain)}: prior={prior!r}: {'sd' if kind == 'normal' else 'a and b'} must be above 0."
        )
    if kind == "normal" and domain.log and first <= 0:
        raise SpaceError(f"{_call(domain)}: prior={prior!r}: on a log scale the mean must be above 0.")
    if kind == "normal" and (isinstance(domain.low, Expression) or isinstance(domain.high, Expression)):
        raise SpaceError(f'{_call(domain)}: a normal prior needs bounds that are numbers. Use {{"beta": [a, b]}}.')
    return {kind: (first, second)}
