"""The expression language: what it says of one environment, of columns, and how far from true."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trimtab.errors import SpaceError
from trimtab.space import Expression
from trimtab.space.expression import Coded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2", 8),
        ("(a + b) * 2", 10),
        ("-a ** 2", -4),
        ("2 ** 3 ** 2", 512.0),
        ("7 % a", 1),
        ("a / b", 2 / 3),
        ("1 < a <= 2", True),
        ("1 < a < 2", False),
        ("s == 'x' and not flag", False),
        ('s in ["x", "y"]', True),
        ("s not in ('x', 'y')", False),
        ("min(a, b, 1) + max(a, b)", 4),
        ("abs(-a) + sqrt(4) + exp(0) + log(1) + log2(8) + log10(100)", 10.0),
        ("round(b / a)", 2),
        ("flag == 1", False),
        ("flag == true", True),
        ("flag", True),
        ("a == 2.0", True),
        ("nothing == null", True),
        ("deep.er.x > 3 or `val/loss` < 1", True),
        ("'a\\'b' == 'a\\'b'", True),
        ("'p' in parts", True),
    ],
)
def test_values(text: str, value: Any) -> None:
    env = {"a": 2, "b": 3, "s": "x", "flag": True, "nothing": None, "deep.er.x": 4, "val/loss": 2, "parts": ["p", "q"]}
    found = Expression(text).evaluate(env)
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)
    assert Expression(Expression(text).canonical).evaluate(env) == value


def test_missing_names_are_unknown_and_logic_follows_kleene() -> None:
    e = Expression
    assert e("a < 1").evaluate({}, "?") == "?"
    assert e("a < 1 and b < 1").evaluate({"b": 2}) is False
    assert e("a < 1 or b < 1").evaluate({"b": 0}) is True
    assert e("not a").evaluate({}, "?") == "?"
    assert e("a + 1 < 2").holds({}, unknown=True)
    assert not e("a + 1 < 2").holds({})
    assert e("a < 1").evaluate({"a": math.nan}, "?") == "?"
    assert e("0 < a < b").evaluate({"a": -1}) is False


@pytest.mark.parametrize(
    ("text", "env", "violation"),
    [
        ("a <= 3", {"a": 5}, 2),
        ("a <= 3", {"a": 1}, -2),
        ("a >= 3", {"a": 1}, 2),
        ("a <= 3 and b <= 1", {"a": 4, "b": 5}, 4),
        ("a <= 3 or b <= 1", {"a": 4, "b": 5}, 1),
        ("not (a <= 3)", {"a": 1}, 2),
        ("not (a <= 3 and b <= 1)", {"a": 1, "b": -3}, 2),
        ("1 <= a <= 3", {"a": 5}, 2),
        ("a == 3", {"a": 5}, 2),
        ("a == 3", {"a": 3}, 0),
        ("s == 'x'", {"s": "y"}, 1),
        ("s in ['x']", {"s": "x"}, 0),
        ("a < 3", {"a": 3}, 5e-324),
    ],
)
def test_violation(text: str, env: dict[str, Any], violation: float) -> None:
    assert Expression(text).violation(env) == violation


def test_violation_is_nan_when_unknown() -> None:
    assert math.isnan(Expression("a <= 3").violation({}))
    assert Expression("a <= 3 and b <= 3").violation({"a": 5}) == 2
    assert math.isnan(Expression("a <= 3 and b <= 3").violation({"a": 1}))


def test_metric_names_may_stand_bare_once_they_are_known() -> None:
    e = Expression("val/loss <= 3 and train-loss > 1", known=["val/loss", "train-loss", "val"])
    assert e.names == ("val/loss", "train-loss")
    assert e.canonical == "`val/loss` <= 3 and `train-loss` > 1"
    assert e == Expression("`val/loss`<=3 and `train-loss`>1")
    assert Expression("val/loss <= 3").names == ("val", "loss")


def test_expressions_are_values() -> None:
    assert Expression("a+b<1") == Expression("a + b < 1") == Expression("(a + b) < 1")
    assert hash(Expression("a+b<1")) == hash(Expression("a + b < 1"))
    assert Expression("a < 1") != Expression("a < 1.5")
    assert Expression("a == 1") != Expression("a == True")
    assert (
        Expression.of({"opt": "sgd", "n": [1, 2], "x/y": True}).canonical
        == "opt == 'sgd' and n in [1, 2] and `x/y` == True"
    )
    assert Expression("a < b").renamed({"a": "x.a", "q": "r"}).canonical == "x.a < b"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a = 1", "Write '==' instead"),
        ("a && b", "Write 'and' instead"),
        ("a <", "ends too early"),
        ("", "ends too early"),
        ("a b", "can't be read at 'b'"),
        ("foo(1)", "no function 'foo'"),
        ("log(1, 2)", "log() takes 1 values, not 2"),
        ("a $ 1", "goes in `backquotes`"),
        ("s in 'abc'", None),
    ],
)
def test_errors_say_where(text: str, match: str | None) -> None:
    with pytest.raises(SpaceError) as caught:
        Expression(text).evaluate({"s": "a"})
    assert match is None or match in str(caught.value)


# ── columns agree with rows ──

numbers = st.recursive(
    st.one_of(st.sampled_from(["a", "b", "c"]), st.integers(-3, 3).map(str), st.just("0.5")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"-({t})"),
        st.tuples(st.sampled_from(["abs", "exp", "sqrt", "log", "round"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
    ),
    max_leaves=4,
)
atoms = st.one_of(
    st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(" ".join),
    st.sampled_from(
        ["s == 'x'", "s != 'y'", "s in ['x', 'z']", "s not in ['x']", "f", "f == True", "s == t", "'x' == s"]
    ),
    st.tuples(numbers, numbers, numbers).map(lambda t: f"{t[0]} < {t[1]} <= {t[2]}"),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=4,
)


def some_columns() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rng = np.random.default_rng(7)
    n = 12
    a, b, c = rng.integers(-3, 4, (3, n)).astype(float)
    a[::4] = math.nan
    s, t, f = rng.integers(-1, 3, n), rng.integers(0, 3, n), rng.integers(-1, 2, n)
    text, flags = ("x", "y", "z"), (False, True)
    rows = []
    for i in range(n):
        row: dict[str, Any] = {"b": b[i], "c": c[i], "t": text[t[i]]}
        row |= {} if math.isnan(a[i]) else {"a": a[i]}
        row |= {} if s[i] < 0 else {"s": text[s[i]]}
        row |= {} if f[i] < 0 else {"f": flags[f[i]]}
        rows.append(row)
    return {"a": a, "b": b, "c": c, "s": Coded(s, text), "t": Coded(t, text), "f": Coded(f, flags)}, rows


@settings(max_examples=300, deadline=None)
@given(conditions)
@example("-((a + (a / b))) < -((a / b))")  # inf - inf
def test_conditions_over_columns_agree_with_rows(text: str) -> None:
    columns, rows = some_columns()
    expression = Expression(text)
    true, unknown = expression.truth(columns, len(rows))
    assert true.tolist() == [expression.holds(row) for row in rows]
    assert unknown.tolist() == [expression.evaluate(row, "?") == "?" for row in rows]
    again = Expression(expression.canonical)
    assert again == expression
    for row in rows:
        value, violation = expression.evaluate(row), expression.violation(row)
        assert again.evaluate(row) == value
        assert math.isnan(violation) if value is None else (violation <= 0) == bool(value)


@settings(max_examples=150, deadline=None)
@given(numbers)
@example("(a / -(round(b)))")  # -0.0 in a column is 0 in a row
@example("min(a, sqrt(a))")  # nan is contagious
def test_numbers_over_columns_agree_with_rows(text: str) -> None:
    columns, rows = some_columns()
    expression = Expression(text)
    over = expression.over(columns, len(rows))
    one = [float(expression.evaluate(row, math.nan)) for row in rows]
    np.testing.assert_allclose(over, one, rtol=1e-9, atol=1e-12)


def test_numbers_beyond_all_floats_do_not_crash() -> None:
    assert Expression("a * " + "9" * 500).evaluate({"a": 1}) == math.inf
    assert Expression("a * a * 0.5").evaluate({"a": 10**300}) == math.inf
